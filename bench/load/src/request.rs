//! Makes a whole HTTP/1.1 request message out of a URL, headers and a body.
//! It resolves names but opens no connection.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail};

/// A cleartext URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    pub authority: String,
    pub path: String,
}

impl Url {
    /// # Errors
    /// A URL that is not `http://authority[/path]`.
    pub fn parse(url: &str) -> Result<Url> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("{url:?} is not an http:// URL; this tool speaks cleartext HTTP/1.1 only");
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Url {
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }

    /// # Errors
    /// A name that has no address.
    pub fn address(&self) -> Result<SocketAddr> {
        let with_port = if self.authority.contains(':') {
            self.authority.clone()
        } else {
            format!("{}:80", self.authority)
        };
        let found = with_port
            .to_socket_addrs()
            .with_context(|| format!("cannot resolve {with_port}"))?
            .next();
        found.with_context(|| format!("{with_port} has no address"))
    }

    pub fn get(&self, headers: &[String]) -> Vec<u8> {
        self.head("GET", headers, "").into_bytes()
    }

    pub fn post_json(&self, headers: &[String], body: &[u8]) -> Vec<u8> {
        let framing = format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        [self.head("POST", headers, &framing).as_bytes(), body].concat()
    }

    fn head(&self, method: &str, headers: &[String], framing: &str) -> String {
        let own: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let Url { authority, path } = self;
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: load/0.1\r\naccept: */*\r\n{own}{framing}\r\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let url = |authority: &str, path: &str| Url {
            authority: authority.into(),
            path: path.into(),
        };
        assert_eq!(
            Url::parse("http://a:1/v1/x?y").unwrap(),
            url("a:1", "/v1/x?y")
        );
        assert_eq!(Url::parse("http://a").unwrap(), url("a", "/"));
        assert!(Url::parse("https://a").is_err());
    }
}

//! Where an upstream's endpoints are: the parts of its URL, worked out once.
//! It must not know the rest of an upstream.

use std::fmt;

use url::{Host, Url};

use super::{BaseUrl, KindFacts};

/// Paths of endpoints, which people paste in place of the base.
const ENDPOINTS: [&str; 8] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
    "/models",
    "/messages",
    "/api/chat",
    "/api/generate",
];

/// What to say about a URL that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UrlError {
    /// Goes on after the URL.
    Shown(String),
    /// Goes on after the word URL: what is wrong is that it holds a secret.
    Withheld(&'static str),
}

impl BaseUrl {
    /// The API path is `api_path` if given, else the URL's path if it has one, else the kind's.
    pub(super) fn parse(
        text: &str,
        api_path: Option<&str>,
        facts: &KindFacts,
    ) -> Result<BaseUrl, UrlError> {
        let url = parse_url(text)?;
        let tls = url.scheme() == "https";
        let (host, shown_host) = match url.host() {
            Some(Host::Domain(name)) => (name.to_owned(), name.to_owned()),
            Some(Host::Ipv4(address)) => (address.to_string(), address.to_string()),
            Some(Host::Ipv6(address)) => (address.to_string(), format!("[{address}]")),
            None => {
                return Err(shown(
                    "has no host; write for example `http://10.0.0.11:8000`",
                ));
            }
        };
        // `Url::port` leaves out the port that the scheme has anyway.
        let authority = match url.port() {
            Some(0) => return Err(shown("has port 0, to which nothing can connect")),
            Some(port) => format!("{shown_host}:{port}"),
            None => shown_host,
        };
        let path = match (api_path, url.path().trim_end_matches('/')) {
            (Some(api_path), _) => api_path.trim_end_matches('/'),
            (None, "") => facts.api_path,
            (None, path) => path,
        };
        Ok(BaseUrl {
            tls,
            host,
            port: url.port().unwrap_or(if tls { 443 } else { 80 }),
            authority,
            api_path: path.to_owned(),
            root_path: root_path(path).to_owned(),
        })
    }
}

/// `https://api.groq.com/openai/v1`: the base of the OpenAI endpoints.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.api_path)
    }
}

fn parse_url(text: &str) -> Result<Url, UrlError> {
    // Without `//` the parser takes `gpu-a:8000` for a scheme and a path; with `///` it takes the path for a host.
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    if rest
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default()
        .contains('@')
    {
        return Err(UrlError::Withheld(
            "holds a user name or password; put credentials into `keys` or `headers`",
        ));
    }
    if rest.contains(['?', '#']) {
        return Err(UrlError::Withheld(
            "holds a query (`?…`) or fragment (`#…`); only scheme, host, port and path belong in it",
        ));
    }
    match scheme {
        "" => return Err(shown("has no scheme; write `http://…` or `https://…`")),
        "http" | "https" => {}
        _ => return Err(shown("has a scheme other than http and https")),
    }
    if rest.is_empty() || rest.starts_with(['/', ':']) {
        return Err(shown(
            "has no host; write for example `http://10.0.0.11:8000`",
        ));
    }
    if rest.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(shown("holds white space"));
    }
    let url = Url::parse(text).map_err(|error| shown(&format!("is not a URL: {error}")))?;
    match ENDPOINTS
        .iter()
        .find(|path| url.path().trim_end_matches('/').ends_with(*path))
    {
        Some(endpoint) => Err(shown(&format!(
            "names one endpoint; write the base in front of `{endpoint}`"
        ))),
        None => Ok(url),
    }
}

fn shown(message: &str) -> UrlError {
    UrlError::Shown(message.to_owned())
}

/// The API path without its last segment where that is a version (`/v1`, `/v1beta`). A version in the middle stays
/// (`/v1beta/openai`): what lies beside the OpenAI surface there is another API with another base.
fn root_path(api_path: &str) -> &str {
    match api_path.rsplit_once('/') {
        Some((root, last)) if is_version(last) => root,
        _ => api_path,
    }
}

/// `v1`, `v2`, `v1beta`, `v1beta1`
fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Kind;

    fn parse(kind: &str, text: &str) -> BaseUrl {
        let kind = Kind::parse(kind).expect(kind);
        BaseUrl::parse(text, None, kind.facts()).expect(text)
    }

    /// For every kind: its own URL, or one as its operators have it → API path, root path, and where it is asked for health.
    #[test]
    fn every_kind_has_its_paths() {
        let own_host = "http://10.0.0.11:8000";
        let azure = "https://acme.openai.azure.com";
        let cloudflare = "https://api.cloudflare.com/client/v4/accounts/a1/ai/v1";
        let table = [
            ("vllm", own_host, "/v1", "", "/health"),
            ("sglang", own_host, "/v1", "", "/v1/models"),
            ("tgi", own_host, "/v1", "", "/info"),
            ("trtllm", own_host, "/v1", "", "/health"),
            ("llamacpp", own_host, "/v1", "", "/health"),
            ("ollama", own_host, "/v1", "", "/api/version"),
            ("openai", "", "/v1", "", "/v1/models"),
            ("azure", azure, "/openai/v1", "/openai", "/openai/v1/models"),
            ("openrouter", "", "/api/v1", "/api", "/api/v1/key"),
            ("groq", "", "/openai/v1", "/openai", "/openai/v1/models"),
            ("nvidia", "", "/v1", "", "/v1/models"),
            ("huggingface", "", "/v1", "", "/v1/models"),
            ("cerebras", "", "/v1", "", "/v1/models"),
            (
                "cloudflare",
                cloudflare,
                "/client/v4/accounts/a1/ai/v1",
                "/client/v4/accounts/a1/ai",
                "/client/v4/accounts/a1/ai/models/search?per_page=1",
            ),
            (
                "gemini",
                "",
                "/v1beta/openai",
                "/v1beta/openai",
                "/v1beta/openai/models",
            ),
            ("anthropic", "", "/v1", "", "/v1/models"),
            ("deepseek", "", "/v1", "", "/v1/models"),
            ("xai", "", "/v1", "", "/v1/models"),
            ("mistral", "", "/v1", "", "/v1/models"),
            ("together", "", "/v1", "", "/v1/models"),
            (
                "fireworks",
                "",
                "/inference/v1",
                "/inference",
                "/inference/v1/models",
            ),
            ("openai-compatible", own_host, "/v1", "", "/v1/models"),
            ("adapter", own_host, "/v1", "", "/"),
        ];
        assert_eq!(table.len(), Kind::ALL.len());
        for (row, kind) in table.into_iter().zip(Kind::ALL) {
            let (name, url, api_path, root_path, health) = row;
            assert_eq!(kind.facts().name, name);
            let url = kind.facts().url.unwrap_or(url);
            let base = parse(name, url);
            assert_eq!(
                (base.api_path.as_str(), base.root_path.as_str()),
                (api_path, root_path),
                "{name}"
            );
            assert_eq!(
                format!("{}{}", base.root_path, kind.facts().health_path),
                health,
                "{name}"
            );
        }
    }

    #[test]
    fn a_path_in_the_url_is_the_api_path() {
        let cases = [
            ("vllm", "http://gpu", "http://gpu/v1", ""),
            ("vllm", "http://gpu/", "http://gpu/v1", ""),
            ("vllm", "http://gpu/v1/", "http://gpu/v1", ""),
            (
                "vllm",
                "http://gpu/pool-a/v1",
                "http://gpu/pool-a/v1",
                "/pool-a",
            ),
            ("vllm", "http://gpu/pool-a", "http://gpu/pool-a", "/pool-a"),
            (
                "groq",
                "https://api.groq.com",
                "https://api.groq.com/openai/v1",
                "/openai",
            ),
            (
                "openai-compatible",
                "https://llm.example/api/v3",
                "https://llm.example/api/v3",
                "/api",
            ),
            (
                "openai-compatible",
                "https://llm.example/v1beta1",
                "https://llm.example/v1beta1",
                "",
            ),
            (
                "openai-compatible",
                "https://llm.example/vault",
                "https://llm.example/vault",
                "/vault",
            ),
        ];
        for (kind, url, shown, root_path) in cases {
            let base = parse(kind, url);
            assert_eq!(
                (base.to_string().as_str(), base.root_path.as_str()),
                (shown, root_path),
                "{url}"
            );
        }
        let facts = Kind::OpenaiCompatible.facts();
        for (api_path, shown) in [("/", "http://h"), ("/v2/", "http://h/v2")] {
            let base = BaseUrl::parse("http://h/v1", Some(api_path), facts).expect(api_path);
            assert_eq!(base.to_string(), shown);
        }
    }

    #[test]
    fn host_port_and_authority() {
        let cases = [
            ("http://gpu-a:8000", (false, "gpu-a", 8000, "gpu-a:8000")),
            ("http://gpu-a:80", (false, "gpu-a", 80, "gpu-a")),
            ("https://gpu-a", (true, "gpu-a", 443, "gpu-a")),
            ("https://gpu-a:80", (true, "gpu-a", 80, "gpu-a:80")),
            (
                "http://[2001:db8::1]:8000",
                (false, "2001:db8::1", 8000, "[2001:db8::1]:8000"),
            ),
            (
                "http://GPU.Example",
                (false, "gpu.example", 80, "gpu.example"),
            ),
        ];
        for (text, expected) in cases {
            let base = parse("vllm", text);
            assert_eq!(
                (
                    base.tls,
                    base.host.as_str(),
                    base.port,
                    base.authority.as_str()
                ),
                expected
            );
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        let cases = [
            ("gpu-a:8000", "no scheme"),
            ("gpu-a", "no scheme"),
            ("", "no scheme"),
            ("ftp://gpu-a", "other than http"),
            ("http://", "no host"),
            ("http:///v1", "no host"),
            ("http://:8000", "no host"),
            ("http://gpu-a:0", "port 0"),
            ("http://gpu-a:99999", "invalid port"),
            ("http://gpu a", "white space"),
            ("http://user:secret@gpu-a", "user name or password"),
            ("user:secret@gpu-a", "user name or password"),
            ("https://h/v1?key=secret", "query"),
            ("https://h/v1#a", "fragment"),
            (
                "https://api.openai.com/v1/chat/completions",
                "write the base in front of `/chat/completions`",
            ),
            (
                "https://api.openai.com/v1/models/",
                "write the base in front of `/models`",
            ),
        ];
        for (text, expected) in cases {
            let error = BaseUrl::parse(text, None, Kind::Vllm.facts()).expect_err(text);
            let message = match &error {
                UrlError::Shown(message) => message.as_str(),
                UrlError::Withheld(message) => message,
            };
            assert!(message.contains(expected), "{text}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}

//! Where a request comes from, when proxies stand in between.
//! It must not know what the address decides.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Addresses that are looked at, from the last; whoever claims more hops is the peer.
const HOPS_MAX: usize = 32;

/// The address of the client: the peer's, unless that is a trusted proxy. Then, from the end of what proxies have written
/// (`X-Forwarded-For`, or `Forwarded`, RFC 7239), the first address that is not a trusted proxy's.
///
/// Whatever cannot be read ends in the peer's address, and so does a request in which both headers stand and tell different
/// clients: a proxy writes one of them, and the other may be the client's own.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let plain = values(headers, &HeaderName::from_static("x-forwarded-for"));
    let plain = plain.and_then(|hops| client(hops.map(hop), trusted));
    let standard = values(headers, &http::header::FORWARDED);
    let standard = standard.and_then(|hops| client(hops.map(forwarded_for), trusted));
    match (plain, standard) {
        (Told(one), Told(other)) if one != other => peer,
        (Told(client), Told(_) | Absent) | (Absent, Told(client)) => client,
        (Garbage, _) | (_, Garbage) | (Absent, Absent) => peer,
    }
}

/// What one header says.
enum Said<T> {
    Absent,
    Told(T),
    Garbage,
}
use Said::{Absent, Garbage, Told};

impl<T> Said<T> {
    fn and_then<U>(self, then: impl FnOnce(T) -> Said<U>) -> Said<U> {
        match self {
            Told(value) => then(value),
            Absent => Absent,
            Garbage => Garbage,
        }
    }
}

/// The entries of all lines of a header, the last first.
fn values<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Said<impl Iterator<Item = &'a str> + use<'a>> {
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        match line.to_str() {
            Ok(line) => lines.push(line),
            Err(_) => return Garbage,
        }
    }
    match lines.is_empty() {
        true => Absent,
        false => Told(lines.into_iter().rev().flat_map(|line| line.rsplit(','))),
    }
}

/// The first address that is not a trusted proxy's; where all are, the farthest.
fn client(hops: impl Iterator<Item = Option<IpAddr>>, trusted: &[IpNet]) -> Said<IpAddr> {
    let mut farthest = None;
    for (count, hop) in hops.enumerate() {
        let Some(address) = hop.filter(|_| count < HOPS_MAX) else {
            return Garbage;
        };
        if !is_trusted(address, trusted) {
            return Told(address);
        }
        farthest = Some(address);
    }
    farthest.map_or(Garbage, Told)
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6).ok(),
        None => text.parse::<IpAddr>().ok(),
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    address
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

/// The node that `for=` names in one element of `Forwarded`. `unknown` and made-up names are no addresses.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut nodes = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| value.trim())
    });
    let (node, second) = (nodes.next()?, nodes.next());
    let quoted = node
        .strip_prefix('"')
        .and_then(|node| node.strip_suffix('"'));
    second.is_none().then(|| hop(quoted.unwrap_or(node)))?
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::super::allow::network;
    use super::*;

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "2001:db8:ffff::/48"]
            .map(|text| network(text).unwrap())
            .into()
    }

    #[track_caller]
    fn check(peer: &str, lines: &[(&'static str, &str)], expected: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let found = client_address(peer.parse().unwrap(), &headers, &trusted());
        assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let xff = "x-forwarded-for";
        check("192.0.2.9", &[], "192.0.2.9");
        check("192.0.2.9", &[(xff, "198.51.100.1")], "192.0.2.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[(xff, "198.51.100.1")], "198.51.100.1");
        check("::ffff:10.0.0.1", &[(xff, "198.51.100.1")], "198.51.100.1");
        check(
            "10.0.0.1",
            &[(xff, "1.2.3.4, 198.51.100.1, 10.0.0.2")],
            "198.51.100.1",
        );
        check(
            "10.0.0.1",
            &[(xff, "1.2.3.4"), (xff, "198.51.100.1,10.0.0.2")],
            "198.51.100.1",
        );
        check("10.0.0.1", &[(xff, "10.0.0.3, 10.0.0.2")], "10.0.0.3");
    }

    #[test]
    fn ports_and_brackets_are_read() {
        for (text, expected) in [
            ("198.51.100.1:4711", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
        ] {
            check("10.0.0.1", &[("x-forwarded-for", text)], expected);
            check(
                "10.0.0.1",
                &[("forwarded", &format!("for=\"{text}\""))],
                expected,
            );
        }
        check(
            "2001:db8:ffff::1",
            &[(
                "forwarded",
                "for=1.2.3.4, For=198.51.100.1;proto=https;by=203.0.113.43, for=10.0.0.2",
            )],
            "198.51.100.1",
        );
    }

    #[test]
    fn what_cannot_be_read_is_the_peer() {
        for text in [
            "",
            "unknown",
            "1.2.3.4, ",
            "1.2.3.4, evil",
            "[1.2.3.4]",
            "1.2.3",
            "[2001:db8::1",
            "1.2.3.4:99999",
        ] {
            check("10.0.0.1", &[("x-forwarded-for", text)], "10.0.0.1");
        }
        for text in [
            "for=unknown",
            "for=_hidden",
            "proto=https",
            "for=1.2.3.4;for=5.6.7.8",
            "for",
        ] {
            check("10.0.0.1", &[("forwarded", text)], "10.0.0.1");
        }
        // What the client itself wrote does not matter once the client has been found.
        check(
            "10.0.0.1",
            &[("x-forwarded-for", "evil, 198.51.100.1")],
            "198.51.100.1",
        );
        check(
            "10.0.0.1",
            &[("x-forwarded-for", &"10.0.0.2,".repeat(HOPS_MAX)[..])],
            "10.0.0.1",
        );
    }

    #[test]
    fn two_headers_must_agree() {
        let lines = |standard| [("x-forwarded-for", "198.51.100.1"), ("forwarded", standard)];
        check("10.0.0.1", &lines("for=198.51.100.1"), "198.51.100.1");
        check("10.0.0.1", &lines("for=203.0.113.7"), "10.0.0.1");
        check("10.0.0.1", &lines("for=_x"), "10.0.0.1");
    }

    proptest! {
        #[test]
        fn any_header_ends_in_an_address(text in "[0-9a-f.:,;=\"for \\[\\]]{0,80}") {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", HeaderValue::from_str(&text).unwrap());
            let peer: IpAddr = "10.0.0.1".parse().unwrap();
            let direct: IpAddr = "192.0.2.1".parse().unwrap();
            client_address(peer, &headers, &trusted());
            prop_assert_eq!(client_address(direct, &headers, &trusted()), direct);
        }
    }
}

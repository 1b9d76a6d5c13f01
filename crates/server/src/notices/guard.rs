//! Where calls may go: over HTTP, to the internet, unless the operator has opened the network around the platform too. A name is
//! judged by the addresses that it has at the moment of the call, and the call goes to one that was judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::limits::WEBHOOK_URL_CHARS_MAX;

/// Why an address is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("write an address: https://…")]
    NoAddress,
    #[error("only https:// and http:// addresses are called")]
    Scheme,
    #[error("the address has a name or a password before its host, or something after `#`: leave that out")]
    Parts,
    #[error("{0} is an address inside the platform's own network, or one that is set apart: it is not called")]
    Private(String),
}

/// Reads an address that somebody wants to be called at. Its name is not looked up.
///
/// # Errors
/// Why not.
pub fn checked(text: &str, private: bool) -> Result<Url, Refused> {
    if text.chars().count() > WEBHOOK_URL_CHARS_MAX {
        return Err(Refused::NoAddress);
    }
    let url: Url = text.parse().map_err(|_| Refused::NoAddress)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(Refused::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(Refused::Parts);
    }
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() {
        return Err(Refused::NoAddress);
    }
    // A host that is an address itself is never looked up; the parser has brought it into its usual form.
    let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let local = host == "localhost" || host.ends_with(".localhost");
    if !private && (local || literal.is_some_and(|address| !is_public(address))) {
        return Err(Refused::Private(host.to_owned()));
    }
    Ok(url)
}

/// Looks names up and gives those addresses alone that may be called.
pub(super) struct Guard {
    pub private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            let open: Vec<SocketAddr> = found.iter().filter(|a| private || is_public(a.ip())).copied().collect();
            if open.is_empty() {
                return Err(Refused::Private(name.as_str().to_owned()).into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

pub(super) fn resolver(private: bool) -> Arc<Guard> {
    Arc::new(Guard { private })
}

/// Whether an address is one of the internet at large: by the registries of special-purpose addresses (RFC 6890 and what updates it).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let apart = a == 0
        || a >= 224
        || matches!(
            (a, b),
            (10 | 127, _) | (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168) | (198, 18 | 19)
        )
        || matches!((a, b, c), (192, 0, 0 | 2) | (192, 88, 99) | (198, 51, 100) | (203, 0, 113));
    !apart
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let inside = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match s[0] {
        // What translates to an IPv4 address is judged by that one; local uses of such a prefix (64:ff9b:1::/48) are not called.
        0x64 if s[1] == 0xff9b => s[2..6] == [0; 4] && inside(s[6], s[7]),
        0x2002 => inside(s[1], s[2]),
        // Teredo, benchmarking, ORCHID, and what else the first /23 is kept for; documentation.
        0x2001 => s[1] >= 0x200 && s[1] != 0xdb8,
        0x3fff => s[1] >= 0x1000,
        // Global unicast is 2000::/3; the rest is set apart, local or not given out.
        first => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_are_not_called() {
        for inside in [
            "http://127.0.0.1/x",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0.0.0.0:80/",
            "http://10.1.2.3/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://172.31.255.255/",
            "http://192.168.0.1/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[2002:0a00:0001::1]/",
            "http://[2001::1]/",
            "http://[fe80::1]/",
            "http://[fc00::1]/",
            "http://[ff02::1]/",
            "http://localhost/",
            "http://a.localhost:8080/",
        ] {
            assert!(matches!(checked(inside, false), Err(Refused::Private(_))), "{inside}");
            assert!(checked(inside, true).is_ok(), "{inside}");
        }
    }

    #[test]
    fn only_plain_http_addresses_are_taken() {
        for (text, why) in [
            ("example.org", Refused::NoAddress),
            ("ftp://example.org/", Refused::Scheme),
            ("file:///etc/passwd", Refused::Scheme),
            ("https://anna:secret@example.org/", Refused::Parts),
            ("https://example.org/#a", Refused::Parts),
        ] {
            assert_eq!(checked(text, true), Err(why), "{text}");
        }
        assert_eq!(checked(&format!("https://example.org/{}", "x".repeat(500)), true), Err(Refused::NoAddress));
        for open in ["https://example.org/hook?a=b", "http://8.8.8.8:8080/", "http://[2606:4700::1111]/"] {
            assert!(checked(open, false).is_ok(), "{open}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_called() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = Guard { private: false }.resolve(name()).await.err().unwrap().to_string();
        assert!(refused.contains("localhost"), "{refused}");
        assert!(Guard { private: true }.resolve(name()).await.unwrap().all(|address| address.ip().is_loopback()));
    }
}

//! A page within the advertiser's site that a link asks for, `url=` or `dl=`: only on hosts that the campaign allows.

use super::destination::Destination;

/// Hosts in lower case and ASCII; with `*.`, all below one.
#[derive(Debug, Default)]
pub struct Hosts(Box<[Box<str>]>);

impl Hosts {
    pub fn new(hosts: &[String]) -> Hosts {
        Hosts(hosts.iter().map(|host| host.as_str().into()).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn allow(&self, host: &str) -> bool {
        self.0.iter().any(|allowed| match allowed.strip_prefix('*') {
            Some(dotted) => host.len() > dotted.len() && host.ends_with(dotted),
            None => **allowed == *host,
        })
    }
}

/// Where it leads, or why not: visitors then go where the link leads without it.
pub fn resolve(asked: &str, hosts: &Hosts) -> Result<Destination, &'static str> {
    // Parsed as destinations are, with all that crate url would rewrite refused before it looks.
    let url = Destination::check(asked).map_err(|_| "not_a_web_address")?;
    // What is compared is what is sent: the parser's own reading, without a port that would be another server.
    let host = url.host_str().ok_or("not_a_web_address")?;
    if url.port().is_some() || !hosts.allow(host) {
        return Err("host_not_allowed");
    }
    Ok(Destination::literal(&url))
}

/// For a click: without query and fragment, which may hold anything.
pub fn told(asked: &str) -> &str {
    asked.split(['?', '#']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redirect::destination::tests::fill;
    use crate::redirect::params::Params;

    #[test]
    fn a_deep_link_leads_within_the_allowed_hosts_only() {
        let hosts = Hosts::new(&["shop.example".into(), "*.shop.example".into(), "xn--mnchen-3ya.example".into()]);
        for (asked, expected) in [
            ("https://shop.example/p/7?a=1#top", Ok("https://shop.example/p/7?a=1&click_id=T&ref_code=R#top")),
            ("http://SHOP.example", Ok("http://shop.example/?click_id=T&ref_code=R")),
            ("https://m.shop.example:443/", Ok("https://m.shop.example/?click_id=T&ref_code=R")),
            ("https://münchen.example/", Ok("https://xn--mnchen-3ya.example/?click_id=T&ref_code=R")),
            // Braces of a visitor's are no macros.
            ("https://shop.example/?q={sub1}", Ok("https://shop.example/?q={sub1}&click_id=T&ref_code=R")),
            ("https://evil.example/", Err("host_not_allowed")),
            ("https://shop.example.evil.example/", Err("host_not_allowed")),
            ("https://evilshop.example/", Err("host_not_allowed")),
            ("https://shop.example./", Err("host_not_allowed")),
            ("https://.shop.example/", Err("host_not_allowed")),
            ("https://shop.example:8443/", Err("host_not_allowed")),
            ("https://shop.example@evil.example/", Err("not_a_web_address")),
            ("https://evil.example\\@shop.example/", Err("not_a_web_address")),
            ("https://evil.example\t.shop.example/", Err("not_a_web_address")),
            ("https:evil.example", Err("not_a_web_address")),
            ("https:///shop.example/", Err("not_a_web_address")),
            ("//shop.example/", Err("not_a_web_address")),
            ("javascript://shop.example/%0aalert(1)", Err("not_a_web_address")),
            ("https://{sub1}.shop.example/", Err("not_a_web_address")),
            ("https://shop.example/\r\nSet-Cookie: a=b", Err("not_a_web_address")),
            ("", Err("not_a_web_address")),
            (&format!("https://shop.example/{}", "a".repeat(5000)), Err("not_a_web_address")),
        ] {
            let params = Params::from_query(Some("sub1=evil"));
            let found = resolve(asked, &hosts).map(|destination| destination.location(&fill(Some("T"), &params)));
            assert_eq!(found.as_deref(), expected.as_ref().map(|location| *location), "{asked}");
        }
        assert!(resolve("https://shop.example/", &Hosts::default()).is_err());
    }
}

//! The application's answer to whoever follows a link.
//!
//! Promise: no cache that others share keeps it: the credential is in the target, so that such a cache
//! would answer the next one who has it without asking anybody (RFC 9111 section 3.5 keeps answers apart
//! only where the credential is in `Authorization`). The client's own cache may keep what the application
//! lets it keep.

use http::HeaderName;
use http::header::CACHE_CONTROL;
use pingora::http::ResponseHeader;

/// Headers by which an application speaks to shared caches alone (RFC 9213, and what came before it).
const TARGETED: [&str; 4] = [
    "cdn-cache-control",
    "surrogate-control",
    "cloudflare-cdn-cache-control",
    "x-accel-expires",
];

/// Makes an answer private.
///
/// # Errors
/// When the header cannot be written, which no directive of an answer that was parsed can cause.
pub(crate) fn keep_private(response: &mut ResponseHeader) -> pingora::Result<()> {
    for name in TARGETED {
        response.remove_header(&HeaderName::from_static(name));
    }
    let values = response.headers.get_all(CACHE_CONTROL).iter();
    let directives = values.filter_map(|value| value.to_str().ok());
    let directives = directives.flat_map(|value| value.split(',')).map(str::trim);
    let mut kept = vec!["private"];
    kept.extend(directives.filter(|directive| !directive.is_empty() && !is_for_others(directive)));
    let kept = kept.join(", ");
    response.insert_header(CACHE_CONTROL, kept)
}

/// Whether a directive speaks of shared caches.
fn is_for_others(directive: &str) -> bool {
    let name = directive.split('=').next().unwrap_or_default().trim();
    ["public", "private", "s-maxage", "proxy-revalidate"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_application_says_to_the_client_stays_and_to_others_goes() {
        for (said, kept) in [
            (&[][..], "private"),
            (&["public, max-age=60"], "private, max-age=60"),
            (&["S-MaxAge=9,immutable", "Public"], "private, immutable"),
            (&["private=\"x\", no-store"], "private, no-store"),
        ] {
            let mut response = ResponseHeader::build(200, None).unwrap();
            response
                .insert_header("CDN-Cache-Control", "max-age=60")
                .unwrap();
            for value in said {
                response.append_header(CACHE_CONTROL, *value).unwrap();
            }
            keep_private(&mut response).unwrap();
            let values: Vec<_> = response.headers.get_all(CACHE_CONTROL).iter().collect();
            assert_eq!(values, [kept], "{said:?}");
            assert!(!response.headers.contains_key("cdn-cache-control"));
        }
    }
}

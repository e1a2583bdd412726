//! The parameters of a link in a query.
//!
//! Promise: a request that has any of them, in whatever spelling, presents a link, and one that has not
//! presents none; what is left of its target has none of them, and is otherwise as it came.

use crate::parameter::{fold_parameter, only_parameter};
use crate::target::Target;

/// Their names. A query parameter that an application could take for one of them is one.
const NAMES: [&str; 4] = ["subject", "issued", "expires", "sig"];

/// A link that was found in a request, good or bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented(Option<Signed>);

/// Its four values, as text that nobody has checked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) subject: String,
    pub(super) issued: String,
    pub(super) expires: String,
    pub(super) sig: String,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signed").finish_non_exhaustive()
    }
}

impl Presented {
    /// The link of a target, and what is left of the target without it; `None`: it has none.
    #[must_use]
    pub fn on(target: &Target) -> Option<(Self, Target)> {
        let query = target.query()?;
        if !query.split('&').any(is_a_links) {
            return None;
        }
        let one = |name| only_parameter(Some(query), name);
        let signed = || {
            Some(Signed {
                subject: one("subject")?,
                issued: one("issued")?,
                expires: one("expires")?,
                sig: one("sig")?,
            })
        };
        let rest = target.keeping_query(|piece| !is_a_links(piece));
        Some((Self(signed()), rest))
    }

    /// The values, if each is there exactly once and in no other spelling.
    pub(super) const fn signed(&self) -> Option<&Signed> {
        self.0.as_ref()
    }
}

/// A link's query.
pub(super) fn written(signed: &Signed) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("subject", &signed.subject)
        .append_pair("issued", &signed.issued)
        .append_pair("expires", &signed.expires)
        .append_pair("sig", &signed.sig)
        .finish()
}

/// Whether a piece of a query, between two `&`, is a parameter of a link.
fn is_a_links(piece: &str) -> bool {
    let key = form_urlencoded::parse(piece.as_bytes()).next();
    key.is_some_and(|(key, _)| NAMES.contains(&fold_parameter(&key).as_str()))
}

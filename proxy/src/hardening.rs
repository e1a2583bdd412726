//! What becomes of a request that breaks rules of strictness.
//!
//! Promise: what its route does not relax refuses it, or, in `report_only`, is returned to be counted
//! and logged; nothing is passed over in silence. Only rules that open no way around a decision come
//! here (see [`Rule`]); whatever two parsers could read differently was refused before.

use sidegate_config::{Rule, Rules, Strictness};

/// A rule that a request breaks, where its route does not relax it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the request breaks the rule `{}`, which its route does not relax", .0.name())]
pub struct Broken(pub Rule);

/// Judges what a request breaks, on a route that relaxes some rules. What is returned would have been
/// refused, and goes on because rules are only reported.
///
/// # Errors
/// The first rule that refuses the request.
pub fn judge(broken: Rules, relaxed: Rules, strictness: Strictness) -> Result<Rules, Broken> {
    let left = broken.without(relaxed);
    match (left.iter().next(), strictness) {
        (None, _) => Ok(Rules::NONE),
        (Some(first), Strictness::Strict) => Err(Broken(first)),
        (Some(_), Strictness::ReportOnly) => Ok(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_passed_over() {
        use Strictness::{ReportOnly, Strict};
        let rules = |rules: &[Rule]| rules.iter().copied().collect::<Rules>();
        let (one, two) = (Rule::BareLf, Rule::ObsText);
        let both = rules(&[one, two]);
        assert_eq!(judge(Rules::NONE, Rules::NONE, Strict), Ok(Rules::NONE));
        assert_eq!(judge(both, both, Strict), Ok(Rules::NONE));
        assert_eq!(judge(both, rules(&[one]), Strict), Err(Broken(two)));
        assert_eq!(judge(both, rules(&[one]), ReportOnly), Ok(rules(&[two])));
        assert_eq!(
            judge(rules(&[one]), rules(&[two]), Strict),
            Err(Broken(one))
        );
    }
}

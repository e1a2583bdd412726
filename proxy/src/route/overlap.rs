//! Routes that could answer the same request: refused where nothing decides between them, named
//! by `sidegate check` where precedence does.

use std::sync::Arc;

use sidegate_policy::{Id, IdType};

use super::Route;
use super::template::Segment;
use crate::target::decode_segment;

/// Two routes of one shape between which nothing decides.
pub(super) fn conflict(same_shape: &[Arc<Route>]) -> Option<(&Route, &Route)> {
    pairs(same_shape).find(|(one, other)| {
        one.methods
            .iter()
            .any(|method| other.methods.contains(method))
            && one.template.precedence() == other.template.precedence()
    })
}

/// A sentence for each pair of routes of which one hides a part of the other.
pub(super) fn report(routes: &[Arc<Route>]) -> Vec<String> {
    pairs(routes)
        .filter(|(one, other)| {
            overlap(one.template.segments(), other.template.segments()) && !equal(one, other)
        })
        .map(|(one, other)| {
            let (winner, loser) = if wins(one, other) {
                (one, other)
            } else {
                (other, one)
            };
            let same_shape = winner.template.shape() == loser.template.shape();
            let rule = if same_shape {
                "by the type of its parameter"
            } else if loser
                .methods
                .iter()
                .all(|method| winner.methods.contains(method))
            {
                "being more particular"
            } else {
                "being more particular, for every method"
            };
            format!(
                "routes `{}` ({}) and `{}` ({}) overlap: `{}` wins, {rule}",
                one.id,
                one.template.as_str(),
                other.id,
                other.template.as_str(),
                winner.id
            )
        })
        .collect()
}

fn pairs(routes: &[Arc<Route>]) -> impl Iterator<Item = (&Route, &Route)> {
    routes.iter().enumerate().flat_map(move |(at, one)| {
        routes
            .iter()
            .skip(at + 1)
            .map(move |other| (&**one, &**other))
    })
}

/// Routes of the same path with other methods are two halves of one thing.
fn equal(one: &Route, other: &Route) -> bool {
    one.template.shape() == other.template.shape()
        && one.template.precedence() == other.template.precedence()
}

/// Whether some path matches both.
fn overlap(one: &[Segment], other: &[Segment]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, None) => true,
        (Some((Segment::Rest, _)), Some(_)) | (Some(_), Some((Segment::Rest, _))) => true,
        (Some((a, one)), Some((b, other))) => meet(a, b) && overlap(one, other),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn meet(a: &Segment, b: &Segment) -> bool {
    match (a, b) {
        (Segment::Literal(a), Segment::Literal(b)) => a == b,
        (Segment::Literal(text), Segment::Parameter { id_type, .. })
        | (Segment::Parameter { id_type, .. }, Segment::Literal(text)) => {
            Id::parse(id_type.unwrap_or(IdType::Text), &decode_segment(text)).is_some()
        }
        (Segment::Parameter { id_type: a, .. }, Segment::Parameter { id_type: b, .. }) => {
            let (a, b) = (a.unwrap_or(IdType::Text), b.unwrap_or(IdType::Text));
            a == b || a == IdType::Text || b == IdType::Text
        }
        (Segment::Rest, _) | (_, Segment::Rest) => true,
    }
}

fn wins(one: &Route, other: &Route) -> bool {
    let rank = |segment: &Segment| match segment {
        Segment::Literal(_) => (0, IdType::Uuid),
        Segment::Parameter { id_type, .. } => (1, id_type.unwrap_or(IdType::Text)),
        Segment::Rest => (2, IdType::Uuid),
    };
    let ranks = |route: &Route| -> Vec<_> { route.template.segments().iter().map(rank).collect() };
    ranks(one) < ranks(other)
}

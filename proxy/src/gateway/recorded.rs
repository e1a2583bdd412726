//! What is kept of a request when it is over, to be explained by its id.
//!
//! Promise: what is known is moved and not copied, and nothing is allocated.

use std::sync::Arc;

use http::Method;
use pingora::proxy::Session;

use super::RequestContext;
use crate::clock::Clock;
use crate::decisions::{Case, Decisions, Record, known_method};
use crate::outcome::Code;

/// Keeps a request, if any are kept. Nobody else may need the context any more.
pub(super) fn keep(decisions: &Decisions, session: &Session, ctx: &mut RequestContext, code: Code) {
    let method = &session.req_header().method;
    let status = session.response_written();
    let status = status.map(|answer| answer.status.as_u16());
    decisions.keep(|| take(ctx, method, (code, status)));
}

fn take(ctx: &mut RequestContext, method: &Method, (code, status): (Code, Option<u16>)) -> Record {
    let degraded = ctx.degraded();
    let route = ctx.route.take();
    Record {
        id: ctx.decision_id,
        at: Clock::System.now(),
        timeline: ctx.timeline,
        method: route.as_ref().and_then(|_| known_method(method)),
        status,
        detail: ctx.detail.take(),
        degraded,
        generation: ctx.generation.number,
        case: Case {
            policy: Arc::clone(ctx.generation.pipeline.authorizer.policy()),
            code,
            route,
            subject: ctx.subject.take(),
            bearer: ctx.bearer.take(),
            key: ctx.key.take(),
            by_link: ctx.by_link,
            resource: ctx.resource.take(),
            basis: ctx.basis.take(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use allocation_counter::measure;
    use serde_json::json;
    use sidegate_policy::{Id, IdType, MembershipRow, ResourceRow, SubjectRow};

    use super::*;
    use crate::authz::Resource;
    use crate::coherence::{BootTime, Moment};
    use crate::facts::Tier;
    use crate::gateway::Verdict;
    use crate::generation::Generation;
    use crate::observation::{Basis, Bearer, Stage};
    use crate::store::Answer;
    use crate::testing;

    fn generation() -> Arc<Generation> {
        let mut document = testing::over_database("postgres://me@127.0.0.1:1/app");
        document["routes"] = json!([{
            "methods": ["GET"], "path": "/d/{id}", "action": "read",
            "resource": { "kind": "document", "id": { "path": "id" } },
        }]);
        let settings = testing::settings(Path::new("/"), &document);
        Arc::new(Generation::assemble(settings, None).unwrap())
    }

    /// A refused request, as it is when its answer has been written. Its rows are its own.
    fn over(generation: &Arc<Generation>) -> RequestContext {
        let mut ctx = RequestContext::new(Arc::clone(generation));
        let policy = generation.pipeline.authorizer.policy();
        let id = |text| Id::parse(IdType::Text, text).unwrap();
        ctx.timeline.end(Stage::Route);
        ctx.timeline.stop();
        ctx.verdict = Verdict::Rejected(Code::DecisionTimeout);
        ctx.detail = Some("the decision took too long".to_owned());
        ctx.route = generation.pipeline.routes.routes().first().cloned();
        ctx.subject = Some(id("alice"));
        ctx.bearer = Some(Bearer {
            roles: [Arc::from("artist")].into(),
            session: Some(Arc::from("s")),
            token: Some(Arc::from("t")),
            expires_at: None,
        });
        ctx.resource = Some(Resource {
            action: policy.action("read").unwrap(),
            kind: policy.kind("document").unwrap(),
            id: Some(id("1")),
        });
        ctx.basis = Some(Basis {
            answer: Answer {
                subject: Some(Arc::new(SubjectRow {
                    active: true,
                    roles: [].into(),
                })),
                resource: Some(Arc::new(ResourceRow::default())),
                project: None,
                membership: Some(Arc::new(MembershipRow {
                    role: Arc::from("viewer"),
                    expires_at: None,
                })),
                origin: None,
            },
            checks: None,
            tier: Some(Tier::Memory),
            moment: Some(Moment::at(BootTime::now())),
        });
        ctx
    }

    #[test]
    fn keeping_a_decision_allocates_nothing() {
        let generation = generation();
        let decisions = Decisions::new(8);
        let keep = |ctx: &mut RequestContext| {
            let how = (Code::DecisionTimeout, Some(503));
            decisions.keep(|| take(ctx, &Method::GET, how));
        };
        // The first time of a thread is another matter, and so is a ring that is not full yet.
        for _ in 0..8 {
            keep(&mut over(&generation));
        }
        let mut ctx = over(&generation);
        let counted = measure(|| keep(&mut ctx));
        assert_eq!(counted.count_total, 0, "{counted:?}");

        let kept = decisions.find(ctx.decision_id).unwrap();
        assert_eq!(kept.method, Some(Method::GET));
        assert_eq!(kept.case.route.unwrap().template.as_str(), "/d/{id}");
        assert!(kept.case.basis.is_some() && kept.case.resource.is_some());
        assert_eq!(kept.detail.as_deref(), Some("the decision took too long"));
        assert!(ctx.detail.is_none() && ctx.basis.is_none(), "it was moved");
    }
}

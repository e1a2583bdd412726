//! The caches and what keeps them true: memory, lifetimes, the poll.
//!
//! Promise: a lifetime is a bound on memory and on mistakes and never how a right is revoked, so
//! none is longer than an hour; the poll comes often enough for several tries within the bound of
//! one second on a stale answer.

use std::time::Duration;

use super::report::Report;
use super::value::{Bounds, HOUR, MILLISECOND, MINUTE};
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::{CacheSettings, ClassSettings, CoherenceSettings};

pub(crate) fn cache(raw: &raw::Cache, report: &mut Report) -> Option<CacheSettings> {
    let at = YamlPath::default().key("cache");
    let size = raw.l1_size_mb.map_or(200, |size| size.0);
    let size = report.integer(&at.key("l1_size_mb"), size, 0, 65_536);
    let tokens = raw.tokens_mb.map_or(16, |size| size.0);
    let tokens = report.integer(&at.key("tokens_mb"), tokens, 0, 4096);
    let media = raw.media_mb.map_or(8, |size| size.0);
    let media = report.integer(&at.key("media_mb"), media, 0, 1024);
    let written = raw.negative_ttl.as_ref();
    let negative_ttl = report.duration(&at.key("negative_ttl"), written, &NEGATIVE);

    let pairs = raw.warming_pairs.map_or(10_000, |pairs| pairs.0);
    let pairs = report.integer(&at.key("warming_pairs"), pairs, 1, 1_000_000);
    let warming = raw.warming.is_none_or(|warming| warming.0);
    let l2_ttl = report.duration(&at.key("l2_ttl_default"), raw.l2_ttl_default.as_ref(), &L2)?;

    let at = at.key("classes");
    let mut class = |name, raw: &raw::Class, default: &Standard| {
        class(&at.key(name), raw, default, l2_ttl, report)
    };
    let user_auth = class("user_auth", &raw.classes.user_auth, &USER_AUTH);
    let written = &raw.classes.direct_ownership;
    let direct_ownership = class("direct_ownership", written, &DIRECT_OWNERSHIP);
    let team_access = class("team_access", &raw.classes.team_access, &TEAM_ACCESS);
    let written = &raw.classes.project_visibility;
    let project_visibility = class("project_visibility", written, &PROJECT_VISIBILITY);
    let path = at.key("gen_media").key("ttl");
    let media_ttl = report.duration(&path, raw.classes.gen_media.ttl.as_ref(), &MEDIA);
    Some(CacheSettings {
        l1_bytes: u64::try_from(size?).ok()? << 20,
        token_bytes: u64::try_from(tokens?).ok()? << 20,
        media_bytes: u64::try_from(media?).ok()? << 20,
        media_ttl: media_ttl?,
        user_auth: user_auth?,
        direct_ownership: direct_ownership?,
        team_access: team_access?,
        project_visibility: project_visibility?,
        warming_pairs: if warming { pairs? } else { 0 },
        negative_ttl: negative_ttl?,
    })
}

pub(crate) fn coherence(raw: &raw::Coherence, report: &mut Report) -> Option<CoherenceSettings> {
    let at = YamlPath::default().key("coherence");
    let written = raw.poll_interval.as_ref();
    let poll_interval = report.duration(&at.key("poll_interval"), written, &POLL);
    let path = at.key("canary_interval");
    let canary = report.duration(&path, raw.canary_interval.as_ref(), &CANARY);
    let canary_interval = match canary {
        Some(pause) if !pause.is_zero() && pause < Duration::from_secs(1) => {
            report.refuse(&path, format!("expected a duration of {}", CANARY.says))
        }
        Some(_) | None => canary,
    };
    let slots = raw.slots.map_or(1 << 20, |slots| slots.0);
    let slots = if slots.is_power_of_two() && (1 << 10..=1 << 24).contains(&slots) {
        Some(slots)
    } else {
        report.refuse(
            &at.key("slots"),
            "expected a power of two of 1024 to 16777216",
        )
    };
    Some(CoherenceSettings {
        poll_interval: poll_interval?,
        canary_interval: canary_interval?,
        slots: slots?,
    })
}

fn class(
    at: &YamlPath,
    raw: &raw::Class,
    default: &Standard,
    l2_ttl: Duration,
    report: &mut Report,
) -> Option<ClassSettings> {
    let bounds = Bounds {
        default: default.ttl,
        min: Duration::from_secs(1),
        max: HOUR,
        says: "1s to 1h",
    };
    let ttl = report.duration(&at.key("ttl"), raw.ttl.as_ref(), &bounds);
    let bounds = Bounds {
        default: default.l2_ttl.unwrap_or(l2_ttl),
        ..L2
    };
    let l2_ttl = report.duration(&at.key("l2_ttl"), raw.l2_ttl.as_ref(), &bounds);
    let share = raw.share.map_or(default.share, |share| share.0);
    let share = report.integer(&at.key("share"), share, 1, 1000);
    Some(ClassSettings {
        ttl: ttl?,
        l2_ttl: l2_ttl?,
        share: u32::try_from(share?).ok()?,
    })
}

/// A class as the platform has it.
struct Standard {
    ttl: Duration,
    /// `None`: as the platform's default says.
    l2_ttl: Option<Duration>,
    share: usize,
}

// The lifetimes are the platform's. The parts: every question needs a subject and a resource, so
// these two are missed most dearly, and there are more resources than anything else. Not every
// resource has a team or a project.

const USER_AUTH: Standard = Standard {
    ttl: Duration::from_secs(300),
    l2_ttl: None,
    share: 25,
};

const DIRECT_OWNERSHIP: Standard = Standard {
    ttl: Duration::from_secs(600),
    l2_ttl: Some(Duration::from_secs(1800)),
    share: 40,
};

const TEAM_ACCESS: Standard = Standard {
    ttl: Duration::from_secs(300),
    l2_ttl: None,
    share: 20,
};

const PROJECT_VISIBILITY: Standard = Standard {
    ttl: Duration::from_secs(900),
    l2_ttl: Some(Duration::from_secs(3600)),
    share: 15,
};

const MEDIA: Bounds = Bounds {
    default: MINUTE.saturating_mul(3),
    min: Duration::from_secs(1),
    max: HOUR,
    says: "1s to 1h",
};

const NEGATIVE: Bounds = Bounds {
    default: Duration::from_secs(5),
    min: Duration::ZERO,
    max: MINUTE,
    says: "0s to 60s",
};

/// The longest is that of a service key.
const L2: Bounds = Bounds {
    default: Duration::from_secs(900),
    min: Duration::from_secs(1),
    max: HOUR.saturating_mul(24),
    says: "1s to 24h",
};

const CANARY: Bounds = Bounds {
    default: Duration::from_secs(5),
    min: Duration::ZERO,
    max: MINUTE.saturating_mul(5),
    says: "0s, or 1s to 5m",
};

const POLL: Bounds = Bounds {
    default: MILLISECOND.saturating_mul(50),
    min: MILLISECOND.saturating_mul(5),
    max: MILLISECOND.saturating_mul(250),
    says: "5ms to 250ms",
};

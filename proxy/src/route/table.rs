//! The table of routes: built once, asked for every request.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use sidegate_config::{AccessSettings, IdSource as IdSetting, RouteSettings};
use sidegate_policy::{Id, IdType, Policy};

use super::{Access, IdSource, Route, Template, TemplateError, overlap};
use crate::media::Object;
use crate::target::{Target, decode_segment};

/// Every route, by shape.
#[derive(Debug)]
pub struct RouteTable {
    router: Shapes,
    /// The same by shapes in lower case, for what is looked for twice.
    folded: Shapes,
    routes: Vec<Arc<Route>>,
}

type Shapes = matchit::Router<Vec<Arc<Route>>>;

/// A path that an application could resolve to a route that asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("another spelling of the path, by case or a trailing slash, has a stricter route")]
pub struct AmbiguousPath;

/// The route that answers a request.
#[derive(Debug)]
pub struct Found {
    /// The route.
    pub route: Arc<Route>,
    /// The id in the path, where the route's resource takes it from there.
    pub path_id: Option<Id>,
}

impl Found {
    /// Whether another way to look led to the same rule and the same resource.
    #[must_use]
    pub fn is(&self, other: Option<&Self>) -> bool {
        other.is_some_and(|other| {
            Arc::ptr_eq(&self.route, &other.route) && self.path_id == other.path_id
        })
    }
}

/// Why routes are not a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteTableError {
    /// A path is no template.
    #[error("route `{route}`: path: {source}")]
    Template {
        /// The route.
        route: String,
        /// What is wrong.
        source: TemplateError,
    },
    /// The resource's id is taken from a parameter that the path does not have.
    #[error("route `{route}`: resource.id.path: the path has no parameter `{parameter}`")]
    NoSuchParameter {
        /// The route.
        route: String,
        /// The parameter.
        parameter: String,
    },
    /// The parameter's type is not the type of the kind's ids.
    #[error(
        "route `{route}`: the parameter `{parameter}` is {found}, but ids of the kind are {expected}"
    )]
    OtherType {
        /// The route.
        route: String,
        /// The parameter.
        parameter: String,
        /// Its type.
        found: &'static str,
        /// The kind's.
        expected: &'static str,
    },
    /// The policy has no such kind, or no role that could ever grant the action.
    #[error("route `{route}`: no role of the policy grants `{action}` on a `{kind}`")]
    NeverGranted {
        /// The route.
        route: String,
        /// The action.
        action: String,
        /// The kind.
        kind: String,
    },
    /// Two routes answer the same requests.
    #[error("the routes `{one}` and `{other}` answer the same requests")]
    Conflict {
        /// One.
        one: String,
        /// The other.
        other: String,
    },
    /// A path that cannot stand beside the others.
    #[error("route `{route}`: path: {message}")]
    Unroutable {
        /// The route.
        route: String,
        /// What the router says.
        message: String,
    },
}

impl RouteTable {
    /// Compiles routes against a policy.
    ///
    /// # Errors
    /// When a route is malformed, or two answer the same requests.
    pub fn compile(settings: &[RouteSettings], policy: &Policy) -> Result<Self, RouteTableError> {
        let mut shapes: BTreeMap<String, Vec<Arc<Route>>> = BTreeMap::new();
        let mut routes = Vec::new();
        for (index, setting) in settings.iter().enumerate() {
            let route = Arc::new(compile(index, setting, policy)?);
            shapes
                .entry(route.template.shape())
                .or_default()
                .push(Arc::clone(&route));
            routes.push(route);
        }
        let mut router = Shapes::new();
        for (shape, same) in &mut shapes {
            if let Some((one, other)) = overlap::conflict(same) {
                let (one, other) = (one.id.to_string(), other.id.to_string());
                return Err(RouteTableError::Conflict { one, other });
            }
            // A route that names HEAD comes before one of the same path that HEAD only follows.
            same.sort_by_key(|route| {
                (
                    route.template.precedence(),
                    !route.methods.contains(&Method::HEAD),
                )
            });
            insert(&mut router, shape, same.clone())?;
        }
        let mut folded: BTreeMap<String, Vec<Arc<Route>>> = BTreeMap::new();
        for (shape, same) in shapes {
            folded
                .entry(shape.to_ascii_lowercase())
                .or_default()
                .extend(same);
        }
        let mut twins = Shapes::new();
        for (shape, mut same) in folded {
            same.sort_by_key(|route| Reverse(strictness(route)));
            insert(&mut twins, &shape, same)?;
        }
        Ok(Self {
            router,
            folded: twins,
            routes,
        })
    }

    /// The route that answers this method and path; `None` refuses the request.
    ///
    /// # Errors
    /// When an application that ignores case or a trailing slash would resolve the path to a route
    /// that asks for more than the one that was found.
    pub fn find(&self, method: &Method, target: &Target) -> Result<Option<Found>, AmbiguousPath> {
        let Some(found) = look_up(&self.router, method, target.path()) else {
            return Ok(None);
        };
        let asks = strictness(&found.route);
        if asks == STRICTEST {
            return Ok(Some(found));
        }
        let stricter = twins(target)
            .iter()
            .filter_map(|path| look_up(&self.folded, method, path))
            .any(|twin| strictness(&twin.route) > asks);
        if stricter {
            Err(AmbiguousPath)
        } else {
            Ok(Some(found))
        }
    }

    /// Every route, in the order of the configuration.
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Whether some route answers this method and path, or a twin of it.
    #[must_use]
    pub fn names(&self, method: &Method, target: &Target) -> bool {
        let mut spellings = twins(target).into_iter();
        look_up(&self.router, method, target.path()).is_some()
            || spellings.any(|path| look_up(&self.folded, method, &path).is_some())
    }

    /// Routes that hide a part of another, or that can never be reached, as sentences for
    /// `sidegate check`.
    #[must_use]
    pub fn overlaps(&self) -> Vec<String> {
        let shadowed = self.routes.iter().filter(|route| self.is_shadowed(route)).map(|route| {
            format!(
                "route `{}` ({}) can never be reached: another spelling of its path, by case or a \
                 trailing slash, has a stricter route",
                route.id,
                route.template.as_str()
            )
        });
        overlap::report(&self.routes)
            .into_iter()
            .chain(shadowed)
            .collect()
    }

    /// Whether the only path of a route without parameters is ambiguous.
    fn is_shadowed(&self, route: &Route) -> bool {
        let path = route.template.as_str();
        let only = (!path.contains('{'))
            .then(|| Target::parse(path.as_bytes()).ok())
            .flatten();
        only.is_some_and(|only| {
            route
                .methods
                .iter()
                .any(|method| self.find(method, &only).is_err())
        })
    }
}

/// A path as an application reads it that ignores case and a trailing slash, in both forms.
fn twins(target: &Target) -> [String; 2] {
    let lower = target.path().to_ascii_lowercase();
    let bare = lower.trim_end_matches('/');
    [bare.to_owned(), format!("{bare}/")]
}

fn insert(router: &mut Shapes, shape: &str, same: Vec<Arc<Route>>) -> Result<(), RouteTableError> {
    let route = same
        .first()
        .map(|route| route.id.to_string())
        .unwrap_or_default();
    router
        .insert(shape, same)
        .map_err(|error| RouteTableError::Unroutable {
            route,
            message: error.to_string(),
        })
}

fn look_up(router: &Shapes, method: &Method, path: &str) -> Option<Found> {
    let found = router.at(path).ok()?;
    found.value.iter().filter(|route| route.answers(method)).find_map(|route| {
        let mut path_id = None;
        let mut values = found.params.iter().map(|(_, value)| value);
        for (position, (_, id_type)) in route.template.parameters().enumerate() {
            let value = decode_segment(values.next()?);
            let id = Id::parse(id_type.unwrap_or(IdType::Text), &value)?;
            if matches!(&route.access, Access::Resource { id: IdSource::Path(at), .. } if *at == position)
            {
                path_id = Some(id);
            }
        }
        Some(Found { route: Arc::clone(route), path_id })
    })
}

/// How much a route asks for.
const fn strictness(route: &Route) -> u8 {
    match route.access {
        Access::Public => 0,
        Access::Authenticated { .. } => 1,
        Access::Resource { .. } => STRICTEST,
    }
}

const STRICTEST: u8 = 2;

fn compile(
    index: usize,
    setting: &RouteSettings,
    policy: &Policy,
) -> Result<Route, RouteTableError> {
    let mut template =
        Template::parse(&setting.path).map_err(|source| RouteTableError::Template {
            route: setting.id.clone(),
            source,
        })?;
    let access = match &setting.access {
        AccessSettings::Public => Access::Public,
        AccessSettings::Authenticated { unknown_subject } => Access::Authenticated {
            unknown_subject: *unknown_subject,
        },
        AccessSettings::Resource { action, kind, id } => {
            let never = || RouteTableError::NeverGranted {
                route: setting.id.clone(),
                action: action.clone(),
                kind: kind.clone(),
            };
            let compiled_kind = policy.kind(kind).ok_or_else(never)?;
            let id_type = policy.id_type(compiled_kind).ok_or_else(never)?;
            Access::Resource {
                action: policy.action(action).ok_or_else(never)?,
                kind: compiled_kind,
                id_type,
                id: id_source(&setting.id, &mut template, id, id_type)?,
            }
        }
    };
    Ok(Route {
        index,
        id: Arc::from(setting.id.as_str()),
        methods: setting.methods.clone(),
        template,
        access,
        scopes: setting.scopes.clone(),
        hide_denied: setting.hide_denied,
        stale_if_error: setting.stale_if_error,
        websocket: setting.websocket,
        links: setting.links,
        media: setting.media.as_ref().map(Object::from),
        relax: setting.relax,
        max_body_bytes: setting.max_body_bytes,
        upstream: setting.upstream.clone(),
    })
}

fn id_source(
    route: &str,
    template: &mut Template,
    setting: &IdSetting,
    expected: IdType,
) -> Result<IdSource, RouteTableError> {
    let parameter = match setting {
        IdSetting::Query(name) => return Ok(IdSource::Query(name.clone())),
        IdSetting::Header(name) => return Ok(IdSource::Header(name.clone())),
        IdSetting::Path(parameter) => parameter,
    };
    let found = template
        .parameters()
        .enumerate()
        .find(|(_, (name, _))| name == parameter);
    let Some((position, (_, id_type))) = found else {
        return Err(RouteTableError::NoSuchParameter {
            route: route.to_owned(),
            parameter: parameter.clone(),
        });
    };
    match id_type {
        Some(found) if found != expected => Err(RouteTableError::OtherType {
            route: route.to_owned(),
            parameter: parameter.clone(),
            found: found.name(),
            expected: expected.name(),
        }),
        Some(_) | None => {
            template.set_type(position, expected);
            Ok(IdSource::Path(position))
        }
    }
}

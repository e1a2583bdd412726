//! The application's own look at a token, as it was before Sidegate.
//!
//! Promises: a subject only from a token whose HS256 signature is good and whose end has not come.
//! Does not: look at issuer and audience, or at a revocation.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use uuid::Uuid;

use crate::app::caller::single;
use crate::app::problem::Problem;

/// What tokens are verified with.
pub(super) struct Tokens {
    key: DecodingKey,
    rules: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
}

impl Tokens {
    pub(super) fn new(secret: &str) -> Self {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = 0;
        rules.validate_aud = false;
        Self {
            key: DecodingKey::from_secret(secret.as_bytes()),
            rules,
        }
    }

    /// Whose token it is.
    pub(super) fn subject(&self, headers: &HeaderMap) -> Result<Uuid, Problem> {
        let value = single(headers, AUTHORIZATION.as_str());
        let token = value.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(Problem::Unauthenticated)?;
        match decode::<Claims>(token, &self.key, &self.rules) {
            Ok(token) => Ok(token.claims.sub),
            // Why it is not good is not told, as everywhere.
            Err(_not_good) => Err(Problem::Unauthenticated),
        }
    }
}

//! Keys: none that the token brings along, none that is not the issuer's, and none where there is none.

use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, crypto};

use super::*;
use crate::bypasses::{checked, send};
use crate::process::{Sidegate, eventually};
use crate::provider::{Provider, Signer};

/// The tests' issuer with these keys.
fn issuer(algorithms: &str, keys: &str) -> String {
    format!(
        "  - {{ issuer: \"{ISSUER}\", audiences: [api], algorithms: [{algorithms}], keys: [{keys}] }}"
    )
}

/// Exactly this header and good claims, signed with ES256.
fn es256(signer: &Signer, header: &Value) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let message = format!(
        "{}.{}",
        part(header.to_string()),
        part(claims(json!({})).to_string())
    );
    let signature = crypto::sign(message.as_bytes(), &signer.key, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

/// A public key of P-256 as PEM (RFC 5480).
fn pem(jwk: &Value) -> String {
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let algorithm = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    let der = [&algorithm[..], &coordinate("x"), &coordinate("y")].concat();
    let text = STANDARD.encode(der);
    let (first, second) = text.split_at(64);
    format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
}

/// An issuer with a key of P-256, twice, and a secret: the scene, the key, its PEM and its set.
fn two_kinds() -> (Scene, Signer, String, String) {
    let own = Signer::new("own");
    let public = pem(&own.jwk);
    let set = json!({ "keys": [own.jwk] }).to_string();
    let keys = format!(
        "{{ jwks_file: keys.json }}, {{ pem_file: own.pem, kid: pem }}, {{ secret: \"{SECRET}\", kid: secret }}"
    );
    let files = [("keys.json", &*set), ("own.pem", &*public)];
    let scene = with_issuers(&issuer("ES256, HS256", &keys), "", &files);
    scene.arrives(me(&es256(&own, &json!({ "alg": "ES256", "kid": "own" }))));
    scene.arrives(me(&es256(&own, &json!({ "alg": "ES256", "kid": "pem" }))));
    scene.arrives(me(&hs256(json!({}))));
    (scene, own, public, set)
}

/// The header chose how a key is used: not at all, or a public key as the secret of an HMAC.
#[test]
fn t2_algorithm_confusion() {
    let (scene, own, public, set) = two_kinds();
    let good = es256(&own, &json!({ "alg": "ES256", "kid": "own" }));
    let (claims, signature) = good.split_once('.').unwrap().1.split_once('.').unwrap();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"own"}}"#));
        for signature in ["", signature] {
            scene.never(me(&format!("{header}.{claims}.{signature}")));
        }
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let body: String = public
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let (der, jwk) = (STANDARD.decode(body).unwrap(), own.jwk.to_string());
    let x = own.jwk["x"].as_str().unwrap();
    for secret in [
        public.as_bytes(),
        public.trim_end().as_bytes(),
        &der,
        jwk.as_bytes(),
        set.as_bytes(),
        x.as_bytes(),
        b"",
    ] {
        for kid in ["own", "pem", "secret", "none"] {
            let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
            scene.never(me(&signed(&header, &text, secret)));
        }
        scene.never(me(&signed(r#"{"alg":"HS256"}"#, &text, secret)));
    }
    scene.arrives(me(&good));
}

/// A right signature under a header that says something else, a key that comes with the token or from a place
/// that it names, and extensions that the verifier does not know.
#[test]
fn t2_keys_and_extensions_in_the_header() {
    let (scene, own, _, _) = two_kinds();
    for header in [
        json!({ "alg": "HS256", "kid": "own" }),
        json!({ "alg": "ES384", "kid": "own" }),
        json!({ "alg": "EdDSA", "kid": "own" }),
        json!({ "alg": "RS256", "kid": "own" }),
        json!({ "alg": "es256", "kid": "own" }),
        json!({ "alg": ["ES256"], "kid": "own" }),
        json!({ "kid": "own" }),
        json!({ "alg": "ES256", "kid": "secret" }),
        json!({ "alg": "ES256", "kid": "own", "crit": ["exp"], "exp": 1 }),
        json!({ "alg": "ES256", "kid": "own", "crit": [] }),
        json!({ "alg": "ES256", "kid": "own", "b64": false }),
        json!({ "alg": "ES256", "kid": "own", "zip": "DEF" }),
        json!({ "alg": "ES256", "kid": "own", "cty": "JWT" }),
    ] {
        scene.never(me(&es256(&own, &header)));
    }
    let other = Signer::new("own");
    for (name, value) in [
        ("jwk", other.jwk.clone()),
        ("jku", json!("https://evil.test/keys")),
        ("x5u", json!("https://evil.test/cert")),
        ("x5c", json!(["MIIB"])),
        ("typ", json!("JWT")),
    ] {
        let mut header = json!({ "alg": "ES256", "kid": "own" });
        header[name] = value;
        scene.never(me(&es256(&other, &header)));
        header.as_object_mut().unwrap().remove("kid");
        scene.never(me(&es256(&other, &header)));
    }
    scene.arrives(me(&es256(&own, &json!({ "alg": "ES256", "typ": "JWT" }))));
}

/// Behind a provider that answers this.
fn behind(provider: &Provider) -> Scene {
    let keys = format!(
        "{{ jwks_uri: \"http://{}/jwks\", refresh_interval: 10s }}",
        provider.address
    );
    with_issuers(&issuer("ES256", &keys), "", &[])
}

fn has_failed(sidegate: &Sidegate) {
    eventually("a fetch that has failed", || {
        let notes = sidegate.admin("/readyz")["notes"].to_string();
        notes.contains("there are no keys").then_some(())
    });
}

/// The key set could not be fetched, and a key that everybody knows took its place.
#[test]
fn t4_cve_2026_31837() {
    let signer = Signer::new("k");
    let known = "a secret that everybody knows, 32 bytes";
    let octets = json!({ "kty": "oct", "kid": "k", "k": URL_SAFE_NO_PAD.encode(known) });
    let mut private = signer.jwk.clone();
    private["d"] = json!("AAAA");
    let set = |keys: &[&Value]| json!({ "keys": keys }).to_string();
    let long = format!(
        "{{\"keys\":[{}],\"x\":\"{}\"}}",
        signer.jwk,
        "x".repeat(300_000)
    );
    let good = es256(&signer, &json!({ "alg": "ES256", "kid": "k" }));
    let text = claims(json!({})).to_string();
    for (status, body) in [
        ("200 OK", ""),
        ("200 OK", "<html>keys</html>"),
        ("200 OK", "{}"),
        ("200 OK", "{\"keys\":[]}"),
        ("500 Oops", &*set(&[&signer.jwk])),
        ("404 Not Found", &*set(&[&signer.jwk])),
        ("200 OK", &*long),
        ("200 OK", &*set(&[&octets])),
        ("200 OK", &*set(&[&private])),
        ("200 OK", &*set(&[&signer.jwk, &signer.jwk])),
    ] {
        let provider = Provider::start();
        provider.answer("/jwks", status, body);
        let scene = behind(&provider);
        has_failed(&scene.sidegate);
        assert_eq!(scene.refused(me(&good)), Some(503), "{status} {body:.40}");
        for secret in [known, "", "secret", "null"] {
            scene.never(me(&signed(
                r#"{"alg":"HS256","kid":"k"}"#,
                &text,
                secret.as_bytes(),
            )));
        }
        scene.never(me("x.y.z"));
        scene.arrives(request("GET", "/a", &[]));
    }
    let provider = Provider::start();
    provider.keys(&[&signer]);
    let scene = behind(&provider);
    eventually("keys", || {
        (send(scene.sidegate.proxy, me(&good).as_bytes()) == Some(200)).then_some(())
    });
    scene.recorder.received();
    scene.arrives(me(&good));
}

/// Keys were fetched from wherever somebody said, and a failed fetch with two tokens ended the process. Also
/// CVE-2024-45809 and CVE-2025-64527.
#[test]
fn t5_cve_2026_41413() {
    let (signer, provider, elsewhere) = (Signer::new("k"), Provider::start(), Provider::start());
    elsewhere.keys(&[&signer]);
    let place = format!("http://{}/jwks", elsewhere.address);
    provider.answer("/jwks", &format!("302 Found\r\nLocation: {place}"), "");
    let scene = behind(&provider);
    has_failed(&scene.sidegate);
    let bearer = |token: &str| format!("Bearer {token}");
    for header in [
        json!({ "alg": "ES256", "kid": "k" }),
        json!({ "alg": "ES256", "kid": place }),
        json!({ "alg": "ES256", "kid": "k", "jku": place }),
        json!({ "alg": "ES256", "kid": "k", "x5u": place }),
        json!({ "alg": "ES256", "kid": "../../jwks" }),
    ] {
        let token = es256(&signer, &header);
        assert!(
            matches!(scene.refused(me(&token)), Some(401 | 503)),
            "{header}"
        );
        let two = [
            ("Authorization", &*bearer(&token)),
            ("Authorization", &*bearer(&token)),
        ];
        scene.never(request("GET", "/me", &two));
    }
    assert_eq!(
        elsewhere.fetches(),
        0,
        "no redirect to another host, and nothing that a token names"
    );
    for url in [
        "http://169.254.169.254/keys",
        "http://id.example/keys",
        "file:///etc/passwd",
        "ftp://id.example/",
        "https://u:p@id.example/",
    ] {
        let plain = config(scene.recorder.address, "");
        let keys = issuer("ES256", &format!("{{ jwks_uri: \"{url}\" }}"));
        let (accepted, said) = checked(&plain.replace(issuer_line(&plain), &keys));
        assert!(!accepted && said.contains("expected"), "{url}: {said}");
    }
    scene.arrives(request("GET", "/a", &[]));
    provider.keys(&[&signer]);
    let good = es256(&signer, &json!({ "alg": "ES256", "kid": "k" }));
    eventually("keys", || {
        (send(scene.sidegate.proxy, me(&good).as_bytes()) == Some(200)).then_some(())
    });
    assert_eq!(elsewhere.fetches(), 0);
}

/// Random keys, key ids and subjects, each of which costs a fetch or a place in memory.
#[test]
fn t11_flood_of_unknown_keys() {
    let (signer, provider) = (Signer::new("k"), Provider::start());
    provider.keys(&[&signer]);
    let scene = behind(&provider);
    let good = es256(&signer, &json!({ "alg": "ES256", "kid": "k" }));
    eventually("keys", || {
        (send(scene.sidegate.proxy, me(&good).as_bytes()) == Some(200)).then_some(())
    });
    scene.recorder.received();
    let (begin, before) = (std::time::Instant::now(), provider.fetches());
    std::thread::scope(|scope| {
        for client in 0..16 {
            let (signer, proxy) = (&signer, scene.sidegate.proxy);
            scope.spawn(move || {
                for number in 0..4 {
                    let header = json!({ "alg": "ES256", "kid": format!("{client}-{number}") });
                    assert_eq!(
                        send(proxy, me(&es256(signer, &header)).as_bytes()),
                        Some(401)
                    );
                }
            });
        }
    });
    let most = 2 + usize::try_from(begin.elapsed().as_secs()).unwrap();
    let fetched = provider.fetches() - before;
    assert!(fetched <= most, "{fetched} fetches for 64 unknown keys");
    assert!(scene.recorder.received().is_empty());
    scene.arrives(me(&good));

    // Whoever does not exist takes no place in memory.
    let scene = Scene::new();
    let entries = || {
        crate::caching::metric(
            &scene.sidegate,
            "sidegate_cache_entries{class=\"user_auth\",tier=\"l1\"}",
        )
    };
    for number in 0..200 {
        let subject = format!("00000000-0000-4000-8000-{number:012}");
        scene.never(me(&hs256(json!({ "sub": subject }))));
    }
    assert_eq!(entries(), Some(0));
    scene.arrives(me(&hs256(json!({}))));
    assert_eq!(entries(), Some(1));
}

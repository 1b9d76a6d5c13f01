//! Whether an ID token is the provider's word, for this platform, about this sign-in: what OpenID Connect Core 1.0, 3.1.3.7 asks.
//! The signatures are checked by ring; algorithms with a shared secret, and none, are no proof here.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation, signature};
use ring::signature as ring_signature;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::OidcError;

/// Clocks may differ by this, seconds.
const LEEWAY_SECS: u64 = 60;

/// What the provider says of somebody.
#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    aud: Value,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Claims {
    /// The text of a claim.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.rest.get(name).and_then(Value::as_str)
    }
}

/// Whether the key that a token names is among these.
pub fn knows_key(keys: &JwkSet, token: &str) -> bool {
    jsonwebtoken::decode_header(token).is_ok_and(|header| candidates(keys, header.kid.as_deref()).next().is_some())
}

fn candidates<'a>(keys: &'a JwkSet, kid: Option<&'a str>) -> impl Iterator<Item = &'a Jwk> {
    keys.keys.iter().filter(move |key| kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid)))
}

/// Checks a token against the provider's keys.
///
/// # Errors
/// [`OidcError::Token`].
pub fn claims(token: &str, keys: &JwkSet, issuer: &str, client: &str, nonce: &str) -> Result<Claims, OidcError> {
    static RING: Once = Once::new();
    RING.call_once(|| {
        if PROVIDER.install_default().is_err() {
            tracing::error!("tokens are checked by something else than ring");
        }
    });
    let bad = |error: Error| OidcError::Token(error.to_string());
    let header = jsonwebtoken::decode_header(token).map_err(bad)?;
    if verification(header.alg).is_none() {
        return Err(OidcError::Token(format!("it is signed by {:?}, which is no proof here", header.alg)));
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY_SECS;
    validation.validate_nbf = true;
    validation.set_audience(&[client]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let mut why = OidcError::Token("the provider has no such key".into());
    for jwk in candidates(keys, header.kid.as_deref()) {
        let key = match DecodingKey::from_jwk(jwk) {
            Ok(key) => key,
            Err(error) => {
                why = bad(error);
                continue;
            }
        };
        match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
            Ok(data) => return of_this_sign_in(data.claims, client, nonce),
            Err(error) => why = bad(error),
        }
    }
    Err(why)
}

fn of_this_sign_in(claims: Claims, client: &str, nonce: &str) -> Result<Claims, OidcError> {
    if claims.nonce.as_deref() != Some(nonce) {
        return Err(OidcError::Token("it is of another sign-in".into()));
    }
    let several = claims.aud.as_array().is_some_and(|audience| audience.len() > 1);
    match claims.azp.as_deref() {
        Some(party) if party != client => Err(OidcError::Token("it was issued for another client".into())),
        None if several => Err(OidcError::Token("it is for several, and does not say for whom it was issued".into())),
        _ => Ok(claims),
    }
}

/// How ring checks a signature of an algorithm; none: it is not taken.
fn verification(algorithm: Algorithm) -> Option<Check> {
    use ring_signature as r;
    Some(match algorithm {
        Algorithm::RS256 => Check::Rsa(&r::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Check::Rsa(&r::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Check::Rsa(&r::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Check::Rsa(&r::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Check::Rsa(&r::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Check::Rsa(&r::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Check::Point(&r::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Check::Point(&r::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Check::Point(&r::ED25519),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum Check {
    Rsa(&'static ring_signature::RsaParameters),
    Point(&'static dyn ring_signature::VerificationAlgorithm),
}

struct Verifier {
    algorithm: Algorithm,
    check: Check,
    key: DecodingKey,
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let right = match (self.check, self.key.kind()) {
            (Check::Rsa(how), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                ring_signature::RsaPublicKeyComponents { n, e }.verify(how, message, signature)
            }
            (Check::Point(how), DecodingKeyKind::SecretOrDer(point)) => {
                ring_signature::UnparsedPublicKey::new(how, point).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        right.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// This platform checks tokens and signs none.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        let check = verification(*algorithm).ok_or(ErrorKind::InvalidAlgorithm)?;
        Ok(Box::new(Verifier { algorithm: *algorithm, check, key: key.clone() }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example.com";

    /// A provider's keys, and how it signs with one.
    struct Provider {
        ed: Ed25519KeyPair,
        ec: EcdsaKeyPair,
    }

    impl Provider {
        fn new() -> Provider {
            let random = SystemRandom::new();
            let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            Provider {
                ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
                ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
            }
        }

        fn keys(&self) -> JwkSet {
            let point = self.ec.public_key().as_ref();
            serde_json::from_value(json!({ "keys": [
                { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": B64.encode(self.ed.public_key()) },
                { "kty": "EC", "crv": "P-256", "kid": "ec", "x": B64.encode(&point[1..33]), "y": B64.encode(&point[33..]) },
            ]}))
            .unwrap()
        }

        fn token(&self, header: Value, claims: &Value) -> String {
            let text = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
            let signature = match header["alg"].as_str() {
                Some("EdDSA") => self.ed.sign(text.as_bytes()).as_ref().to_vec(),
                Some("ES256") => self.ec.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec(),
                // The public key as a shared secret.
                Some("HS256") => {
                    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.ed.public_key().as_ref());
                    ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
                }
                _ => Vec::new(),
            };
            format!("{text}.{}", B64.encode(signature))
        }
    }

    fn good() -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({ "iss": ISSUER, "aud": "hw", "sub": "1", "exp": now + 300, "iat": now, "nonce": "n", "preferred_username": "anna" })
    }

    fn with(changes: Value) -> Value {
        let mut claims = good();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn the_providers_word_about_this_sign_in_counts() {
        let provider = Provider::new();
        for (alg, kid) in [("EdDSA", Some("ed")), ("ES256", Some("ec")), ("ES256", None)] {
            let mut header = json!({ "alg": alg });
            if let Some(kid) = kid {
                header["kid"] = kid.into();
            }
            let token = provider.token(header, &good());
            let found = claims(&token, &provider.keys(), ISSUER, "hw", "n").unwrap();
            assert_eq!(found.text("preferred_username"), Some("anna"), "{alg} {kid:?}");
            assert!(knows_key(&provider.keys(), &token));
        }
        let several = with(json!({ "aud": ["hw", "other"], "azp": "hw" }));
        let token = provider.token(json!({ "alg": "EdDSA", "kid": "ed" }), &several);
        assert!(claims(&token, &provider.keys(), ISSUER, "hw", "n").is_ok());
    }

    #[test]
    fn nothing_else_does() {
        let (provider, other) = (Provider::new(), Provider::new());
        let ed = || json!({ "alg": "EdDSA", "kid": "ed" });
        let now = jsonwebtoken::get_current_timestamp();
        let mut bent = provider.token(ed(), &good());
        bent.truncate(bent.len() - 4);
        let unsigned = provider.token(json!({ "alg": "none" }), &good());
        let tokens = [
            other.token(ed(), &good()),
            provider.token(json!({ "alg": "EdDSA", "kid": "unknown" }), &good()),
            provider.token(json!({ "alg": "EdDSA", "kid": "ec" }), &good()),
            provider.token(json!({ "alg": "HS256", "kid": "ed" }), &good()),
            provider.token(ed(), &with(json!({ "iss": "https://evil.example" }))),
            provider.token(ed(), &with(json!({ "aud": "other" }))),
            provider.token(ed(), &with(json!({ "aud": ["hw", "other"] }))),
            provider.token(ed(), &with(json!({ "azp": "other" }))),
            provider.token(ed(), &with(json!({ "nonce": "of another" }))),
            provider.token(ed(), &with(json!({ "nonce": null }))),
            provider.token(ed(), &with(json!({ "exp": now - 120 }))),
            provider.token(ed(), &with(json!({ "exp": null }))),
            provider.token(ed(), &with(json!({ "nbf": now + 120 }))),
            bent,
            unsigned,
            "no token".to_owned(),
        ];
        for (n, token) in tokens.iter().enumerate() {
            let said = claims(token, &provider.keys(), ISSUER, "hw", "n");
            assert!(matches!(said, Err(OidcError::Token(_))), "{n}: {said:?}");
        }
        assert!(!knows_key(&provider.keys(), &tokens[1]));
    }
}

//! Places on the earth as numbers of degrees, exact to a millionth (a tenth of a metre).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Millionths of a degree; in documents degrees as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Degrees(pub i32);

impl TryFrom<f64> for Degrees {
    type Error = &'static str;
    /// Rounded to the nearest millionth.
    fn try_from(degrees: f64) -> Result<Degrees, Self::Error> {
        if degrees.abs() <= 180.0 {
            Ok(Degrees((degrees * 1e6).round() as i32))
        } else {
            Err("degrees are -180 to 180")
        }
    }
}
impl From<Degrees> for f64 {
    fn from(degrees: Degrees) -> f64 {
        f64::from(degrees.0) / 1e6
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Degrees north, -90 to 90.
    #[schema(value_type = f64, minimum = -90, maximum = 90, example = 26.6)]
    pub latitude: Degrees,
    /// Degrees east, -180 to 180.
    #[schema(value_type = f64, minimum = -180, maximum = 180, example = 106.7)]
    pub longitude: Degrees,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceChange {
    /// `null`: nobody says where it stands.
    pub place: Option<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_come_back_as_they_went() {
        let place: Place = serde_json::from_str(r#"{"latitude":-33.9,"longitude":151.2000004}"#).unwrap();
        assert_eq!((place.latitude, place.longitude), (Degrees(-33_900_000), Degrees(151_200_000)));
        assert_eq!(serde_json::to_string(&place).unwrap(), r#"{"latitude":-33.9,"longitude":151.2}"#);
        for bad in ["180.1", "1e300", "\"1\""] {
            assert!(serde_json::from_str::<Degrees>(bad).is_err(), "{bad}");
        }
    }
}

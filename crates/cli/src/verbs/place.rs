//! `hw cluster place`: where a cluster stands, as degrees north and east.

use clap::Args;
use wire::place::{Degrees, Place};

use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::View;

#[derive(Debug, Args)]
pub struct SetPlace {
    /// The cluster
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,
    /// Degrees north: 26.6; the south is negative
    #[arg(value_name = "LAT", allow_negative_numbers = true, value_parser = latitude, required_unless_present = "clear")]
    pub latitude: Option<Degrees>,
    /// Degrees east: 106.7; the west is negative
    #[arg(value_name = "LON", allow_negative_numbers = true, value_parser = longitude, required_unless_present = "clear")]
    pub longitude: Option<Degrees>,
    /// What people call it
    #[arg(long, value_name = "TEXT", conflicts_with = "clear")]
    pub label: Option<String>,
    /// Nobody says where it stands: the map goes by its name again
    #[arg(long, conflicts_with_all = ["latitude", "longitude"])]
    pub clear: bool,
}

fn latitude(text: &str) -> Result<Degrees, String> {
    degrees(text, 90.0)
}

fn longitude(text: &str) -> Result<Degrees, String> {
    degrees(text, 180.0)
}

fn degrees(text: &str, most: f64) -> Result<Degrees, String> {
    // `26.6, 106.7`, as maps write it.
    let number: Option<f64> = text.trim_end_matches(',').parse().ok();
    let number = number.filter(|number| number.abs() <= most);
    number
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| format!("degrees are -{most} to {most}, such as 26.6"))
}

/// `26.6,106.7 Guiyang`.
pub fn shown(place: &Place) -> String {
    let degrees = format!("{},{}", f64::from(place.latitude), f64::from(place.longitude));
    place.label.as_ref().map_or(degrees.clone(), |label| format!("{degrees} {label}"))
}

pub async fn place(desk: &Desk, args: SetPlace) -> Result<View, Fault> {
    let label = args.label;
    let degrees = args.latitude.zip(args.longitude);
    let place = degrees.map(|(latitude, longitude)| Place { latitude, longitude, label });
    let done = desk.client()?.place_cluster(&args.cluster, place).await?;
    let cluster = ("cluster", args.cluster.clone());
    let note = match &done.place {
        Some(place) => Word::ClusterPlaced.fill(desk.lang(), &[cluster, ("place", shown(place))]),
        None => Word::ClusterPlaceless.fill(desk.lang(), &[cluster]),
    };
    Ok(View::note(&done, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_read_as_written() {
        assert_eq!((latitude("26.6,"), longitude("-106.7")), (Ok(Degrees(26_600_000)), Ok(Degrees(-106_700_000))));
        for bad in ["", "a", "91", "NaN", "-inf"] {
            assert!(latitude(bad).is_err(), "{bad}");
        }
        assert!(longitude("91").is_ok() && longitude("180.1").is_err());
    }
}

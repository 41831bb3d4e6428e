//! Cloudflare's thirteen regions as places.
//!
//! Cloudflare assigns a client to a region by the data centre that it reaches; here its country,
//! or its state or province in North America, stands for that.

/// Code of the region and the places in it.
const REGIONS: [(&str, &str); 13] = [
    (
        "WNAM",
        "US-AK US-AZ US-CA US-CO US-HI US-ID US-MT US-NM US-NV US-OR US-UT US-WA US-WY CA-AB CA-BC \
         CA-MB CA-NT CA-SK CA-YT",
    ),
    // Where the state is not known, the country: most of its people live in the east.
    (
        "ENAM",
        "US CA BM BS CU DM DO GL GP HT JM KN KY LC MQ MS MX PM PR TC VC VG VI AG AI BB BZ CR GD GT HN NI PA SV",
    ),
    ("NSAM", "AW BO BQ BR CO CW EC GF GY PE SR SX TT VE"),
    ("SSAM", "AR CL FK GS PY UY"),
    ("WEU", "AD AT BE CH DE DK ES FO FR GB GG GI IE IM IS IT JE LI LU MC MT NL NO PT SE SM VA"),
    ("EEU", "AL AX BA BG BY CY CZ EE FI GR HR HU LT LV MD ME MK PL RO RS RU SI SJ SK UA XK"),
    ("ME", "AE AM AZ BH GE IL IQ IR JO KW LB OM PS QA SA SY TR YE"),
    (
        "NAF",
        "BF BJ CF CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE LR LY MA ML MR NE NG SD SL SN SO SS ST TD TG TN UG",
    ),
    ("SAF", "AO BI BW CD CG KM LS MG MU MW MZ NA RE RW SC SH SZ TZ YT ZA ZM ZW"),
    ("SAS", "AF BD BT IN KG KZ LK MV NP PK TJ TM UZ IO"),
    ("SEAS", "BN ID KH LA MM MY PH SG TH TL VN CC CX"),
    ("NEAS", "CN HK JP KP KR MN MO TW"),
    ("OC", "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS"),
];

/// The places of a region; `None` when there is none of this code.
pub(in crate::cli::import) fn places(code: &str) -> Option<Vec<String>> {
    // An older spelling.
    let code = if code == "WEUR" { "WEU" } else { code };
    let (_, places) = REGIONS.iter().find(|(known, _)| *known == code)?;
    let place = |place: &str| match place.contains('-') {
        true => format!("subdivision:{place}"),
        false => format!("country:{place}"),
    };
    Some(places.split_ascii_whitespace().map(place).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_country_is_in_one_region_at_most() {
        let mut seen = HashSet::new();
        for (code, _) in REGIONS {
            for place in places(code).unwrap() {
                assert!(seen.insert(place.clone()), "{place} is twice");
            }
        }
        assert_eq!(places("WEUR"), places("WEU"));
        assert_eq!(places("MARS"), None);
    }
}

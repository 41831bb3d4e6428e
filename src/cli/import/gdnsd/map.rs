//! Maps of the geoip plugin: which data centres are preferred where.

use crate::cli::import::draft::Draft;
use crate::cli::import::node::{Fields, Node};

/// A map: places with their data centres in order of preference.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    /// All of them, in the order of preference where nothing else is said.
    pub(super) datacenters: Vec<String>,
    pub(super) rules: Vec<(Vec<String>, Vec<String>)>,
    /// `auto` alone, here and in rules, is the nearest.
    pub(super) default: Vec<String>,
    /// Where data centres are.
    pub(super) coordinates: Vec<(String, f64, f64)>,
}

impl Map {
    pub(super) fn read(name: &str, node: &Node, draft: &mut Draft) -> Map {
        let fields = Fields::new(node);
        let mut map = Map { datacenters: words(fields.take("datacenters")), ..Map::default() };
        map.default.clone_from(&map.datacenters);
        for (datacenter, at) in fields.take("auto_dc_coords").into_iter().flat_map(Node::entries) {
            let degrees: Vec<f64> = at.items().iter().filter_map(Node::number).collect();
            if let [latitude, longitude] = degrees[..] {
                map.coordinates.push((datacenter.clone(), latitude, longitude));
            }
        }
        if !map.coordinates.is_empty() {
            map.default = vec!["auto".to_owned()];
        }
        if let Some(places) = fields.take("map") {
            map.level(&[], places);
        }
        if let Some(nets) = fields.take("nets") {
            if nets.entries().is_empty() && nets.text().is_some() {
                let why = "networks in a file of their own are not read; write them into `nets`";
                draft.left(&nets.place, format!("map `{name}`: nets = {}", nets.shown()), why);
            }
            for (net, list) in nets.entries() {
                map.rule(vec![format!("net:{net}")], words(Some(list)));
            }
        }
        let limit = fields.number("auto_dc_limit").unwrap_or(3.0) as usize;
        if limit > 0 && map.coordinates.len() > limit {
            let how = "all data centres are tried, the nearest first";
            draft.about(&node.place, format!("map `{name}`: auto_dc_limit"), how);
        }
        let why = |key: &str| match key {
            "geoip2_db" | "geoip_db" | "geoip_db_v4_overlay" => {
                "databases are named in `[geoip]` of meridian.toml"
            }
            _ => "",
        };
        fields.finish(&format!("map `{name}`"), why, draft);
        map
    }

    /// One level of `map`: continents, then countries, then subdivisions, then cities.
    fn level(&mut self, above: &[&str], node: &Node) {
        for (key, value) in node.entries() {
            if key == "default" {
                match above {
                    [] => self.default = words(Some(value)),
                    above => self.place(above, value),
                }
                continue;
            }
            let mut path = above.to_vec();
            path.push(key);
            if value.entries().is_empty() {
                self.place(&path, value);
            } else {
                self.level(&path, value);
            }
        }
    }

    fn place(&mut self, path: &[&str], list: &Node) {
        let place = match path {
            [continent] => format!("continent:{continent}"),
            [_, country] => format!("country:{country}"),
            [_, country, subdivision] => format!("subdivision:{country}-{subdivision}"),
            [_, country, .., city] => format!("city:{country}/{city}"),
            [] => return,
        };
        self.rule(vec![place], words(Some(list)));
    }

    fn rule(&mut self, places: Vec<String>, to: Vec<String>) {
        match self.rules.iter_mut().find(|(_, known)| *known == to) {
            Some((known, _)) => known.extend(places),
            None => self.rules.push((places, to)),
        }
    }
}

pub(super) fn words(node: Option<&Node>) -> Vec<String> {
    node.map(Node::items).unwrap_or_default().iter().filter_map(Node::text).collect()
}

//! Route: to which neighbour a leg goes next. A pure function of (me, records, link health): there
//! are no routes in configuration.
//!
//! The graph holds who can reach whom directly, from the verified station records: a node and its
//! home relays, and neighbours that name each other (one station alone cannot put itself on other
//! people's roads). Only relays pass on. A road never leads back through a station of `via`, and is
//! never longer than the hop limit. Must not know: sockets, time of day, envelopes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use formats::id::StationName;

/// Who reaches whom directly.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Every station that each station has a direct link with.
    access: HashMap<StationName, BTreeSet<StationName>>,
    /// Only the relays among them: a search must not walk over a relay's thousands of nodes.
    trunk: HashMap<StationName, BTreeSet<StationName>>,
    relays: HashSet<StationName>,
}

/// What the graph needs from one station record.
#[derive(Clone, Debug)]
pub struct Vertex {
    /// The station.
    pub name: StationName,
    /// Whether it passes on for others.
    pub relay: bool,
    /// Relays it dials (a node's choice alone decides: relays serve every enrolled node).
    pub home_relays: Vec<StationName>,
    /// Stations it wants to be linked with; counts only if the other says so too.
    pub neighbours: Vec<StationName>,
}

impl Graph {
    /// Builds the graph from all station records. Also returns the one-sided neighbour claims, for
    /// the operator.
    #[must_use]
    pub fn build(vertices: &[Vertex]) -> (Self, Vec<(StationName, StationName)>) {
        let by_name: BTreeMap<&StationName, &Vertex> = vertices
            .iter()
            .map(|vertex| (&vertex.name, vertex))
            .collect();
        let relays = vertices.iter().filter(|vertex| vertex.relay);
        let mut graph = Self {
            relays: relays.map(|vertex| vertex.name.clone()).collect(),
            ..Self::default()
        };
        let mut one_sided = Vec::new();
        for vertex in vertices {
            for home in &vertex.home_relays {
                if by_name.get(home).is_some_and(|other| other.relay) {
                    graph.join(&vertex.name, home);
                }
            }
            for neighbour in &vertex.neighbours {
                let mutual = by_name
                    .get(neighbour)
                    .is_some_and(|other| other.neighbours.contains(&vertex.name));
                if mutual {
                    graph.join(&vertex.name, neighbour);
                } else {
                    one_sided.push((vertex.name.clone(), neighbour.clone()));
                }
            }
        }
        (graph, one_sided)
    }

    /// Whether the two may hold a link.
    #[must_use]
    pub fn linked(&self, one: &StationName, other: &StationName) -> bool {
        self.access
            .get(one)
            .is_some_and(|around| around.contains(other))
    }

    /// Every station that `name` may hold a link with.
    #[must_use]
    pub fn around(&self, name: &StationName) -> Vec<StationName> {
        self.access
            .get(name)
            .map(|around| around.iter().cloned().collect())
            .unwrap_or_default()
    }

    fn join(&mut self, one: &StationName, other: &StationName) {
        for (from, to) in [(one, other), (other, one)] {
            self.access
                .entry(from.clone())
                .or_default()
                .insert(to.clone());
            if self.relays.contains(to) {
                self.trunk
                    .entry(from.clone())
                    .or_default()
                    .insert(to.clone());
            }
        }
    }

    /// Hops from every station that passes on (and from `destination` itself: 0) to `destination`,
    /// never through `avoided`.
    fn distances(
        &self,
        destination: &StationName,
        avoided: &HashSet<&StationName>,
    ) -> HashMap<StationName, usize> {
        let mut distance = HashMap::from([(destination.clone(), 0)]);
        let mut frontier = VecDeque::from([(destination.clone(), 0_usize)]);
        while let Some((station, hops)) = frontier.pop_front() {
            for around in self.trunk.get(&station).into_iter().flatten() {
                if !avoided.contains(around) && !distance.contains_key(around) {
                    distance.insert(around.clone(), hops + 1);
                    frontier.push_back((around.clone(), hops + 1));
                }
            }
        }
        distance
    }
}

/// Where a leg goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// It is ours to deliver.
    Here,
    /// Hand it to this neighbour, whose link is up.
    Next(StationName),
    /// No road with a working first link; the leg waits for this one.
    Waits(StationName),
    /// No road at all in the records.
    Nowhere,
}

impl Hop {
    /// The neighbour, whether its link is up or not.
    #[must_use]
    pub fn station(&self) -> Option<&StationName> {
        match self {
            Self::Next(station) | Self::Waits(station) => Some(station),
            Self::Here | Self::Nowhere => None,
        }
    }
}

/// Next hop from `me` towards `destination`. `via` are the stations the envelope came through; `up`
/// tells whether the link to a neighbour works now. Ask again when a link or a record changes.
pub fn next_hop(
    graph: &Graph,
    me: &StationName,
    destination: &StationName,
    via: &[StationName],
    up: &dyn Fn(&StationName) -> bool,
) -> Hop {
    if me == destination {
        return Hop::Here;
    }
    let mut avoided: HashSet<&StationName> = via.iter().collect();
    avoided.insert(me);
    if avoided.contains(destination) {
        return Hop::Nowhere;
    }
    // The common case costs no search: the destination is our own neighbour.
    let adjacent = graph.linked(me, destination);
    if adjacent && up(destination) {
        return Hop::Next(destination.clone());
    }
    let distance = graph.distances(destination, &avoided);
    let roads = distance
        .iter()
        .filter(|(station, _)| graph.linked(me, station))
        .map(|(station, hops)| (*hops, station));
    let mut best_up: Option<(usize, &StationName)> = None;
    let mut best_down: Option<(usize, &StationName)> = None;
    for road in roads {
        let best = if up(road.1) {
            &mut best_up
        } else {
            &mut best_down
        };
        // Equal lengths: the smaller name, so that every process decides alike.
        if best.is_none_or(|known| road < known) {
            *best = Some(road);
        }
    }
    match (best_up, best_down) {
        (Some((_, station)), _) => Hop::Next(station.clone()),
        (None, Some((_, station))) => Hop::Waits(station.clone()),
        (None, None) => Hop::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StationName {
        format!("{text}-s.tram.test").parse().expect("station name")
    }

    fn names(list: &[&str]) -> Vec<StationName> {
        list.iter().map(|text| name(text)).collect()
    }

    fn vertex(text: &str, relay: bool, home: &[&str], neighbours: &[&str]) -> Vertex {
        Vertex {
            name: name(text),
            relay,
            home_relays: names(home),
            neighbours: names(neighbours),
        }
    }

    /// Two sites: a and b are relays linked by c and directly; n1 at a, n2 at b and c, n3 nowhere.
    fn graph() -> Graph {
        let vertices = [
            vertex("a", true, &[], &["b", "c"]),
            vertex("b", true, &[], &["a", "c"]),
            vertex("c", true, &[], &["a", "b"]),
            vertex("n1", false, &["a"], &[]),
            vertex("n2", false, &["b", "c"], &[]),
            vertex("n3", false, &[], &["a"]),
        ];
        Graph::build(&vertices).0
    }

    fn hop(me: &str, to: &str, via: &[&str], down: &[&str]) -> Hop {
        let down = names(down);
        next_hop(&graph(), &name(me), &name(to), &names(via), &|station| {
            !down.contains(station)
        })
    }

    #[test]
    fn roads_are_shortest_healthy_and_never_lead_back() {
        // (me, to, via, links down at me, expected)
        let table = [
            ("n1", "n1", &[][..], &[][..], Hop::Here),
            ("n1", "n2", &[], &[], Hop::Next(name("a"))),
            ("a", "n2", &["n1"], &[], Hop::Next(name("b"))),
            ("a", "n2", &["n1"], &["b"], Hop::Next(name("c"))),
            ("a", "n2", &["n1"], &["b", "c"], Hop::Waits(name("b"))),
            ("a", "n2", &["n1", "b"], &[], Hop::Next(name("c"))),
            ("b", "n2", &["n1", "a"], &["n2"], Hop::Next(name("c"))),
            (
                "b",
                "n2",
                &["n1", "a", "c"],
                &["n2"],
                Hop::Waits(name("n2")),
            ),
            ("a", "n1", &["b"], &["n1"], Hop::Waits(name("n1"))),
            ("a", "n1", &["n1", "b"], &[], Hop::Nowhere),
            ("a", "n3", &[], &[], Hop::Nowhere),
            ("n2", "n1", &[], &["b"], Hop::Next(name("c"))),
        ];
        for (me, to, via, down, expected) in table {
            assert_eq!(
                hop(me, to, via, down),
                expected,
                "{me} to {to} via {via:?} down {down:?}"
            );
        }
    }

    #[test]
    fn a_claim_of_one_side_makes_no_neighbour() {
        let vertices = [
            vertex("a", true, &[], &[]),
            vertex("evil", true, &[], &["a"]),
        ];
        let (graph, one_sided) = Graph::build(&vertices);
        assert!(!graph.linked(&name("a"), &name("evil")));
        assert_eq!(one_sided, [(name("evil"), name("a"))]);
    }

    #[test]
    fn nodes_do_not_pass_on() {
        // n2 knows b and c: with the direct relay link gone it must still not serve as a bridge.
        let vertices = [
            vertex("b", true, &[], &[]),
            vertex("c", true, &[], &[]),
            vertex("n2", false, &["b", "c"], &[]),
            vertex("n4", false, &["c"], &[]),
        ];
        let graph = Graph::build(&vertices).0;
        let found = next_hop(&graph, &name("b"), &name("n4"), &[], &|_| true);
        assert_eq!(found, Hop::Nowhere);
    }
}

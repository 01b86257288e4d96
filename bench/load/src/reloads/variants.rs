//! Configurations that differ in what a reload may change, made of a seed. Pure.
//!
//! In each that is right, two upstreams and three names of models are served; everything else comes, goes and changes.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::random::Random;

/// The model that hosts serve.
pub const SERVED: &str = "llama-3.1-8b";
/// The names that clients ask for: one that hosts report, one that is configured, and an alias of that.
pub const ASKED: [&str; 3] = [SERVED, "steady", "quick"];

const POLICIES: [&str; 6] = [
    "health",
    "round_robin",
    "weighted",
    "random",
    "least_inflight",
    "latency",
];

/// What stays the same.
#[derive(Debug, Clone)]
pub struct Fixed {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// At least two; the first two are always served.
    pub hosts: Vec<(String, SocketAddr)>,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    pub yaml: String,
    /// weir must refuse it.
    pub is_broken: bool,
}

impl Fixed {
    /// The next configuration; one of ten is broken.
    pub fn variant(&self, random: &mut Random) -> Variant {
        let yaml = self.right(random);
        if !random.chance(0.1) {
            return Variant {
                yaml,
                is_broken: false,
            };
        }
        let broken = match random.below(4) {
            0 => format!("{yaml}  lost: [\n"),
            1 => yaml.replace("upstream: gpu-b,", "upstream: gpu-none,"),
            2 => format!("{yaml}unheard_of: 1\n"),
            _ => yaml.replace(
                "upstreams:\n",
                "upstreams:\n  - { name: gpu-a, kind: vllm, url: \"http://127.0.0.1:1\" }\n",
            ),
        };
        Variant {
            yaml: broken,
            is_broken: true,
        }
    }

    /// A configuration that is right.
    pub fn right(&self, random: &mut Random) -> String {
        let mut served: Vec<String> = Vec::new();
        let mut upstreams = String::new();
        for (index, (name, address)) in self.hosts.iter().enumerate() {
            if index < 2 || random.chance(0.6) {
                let _ = writeln!(upstreams, "{}", upstream(random, name, *address, index < 2));
                served.push(name.clone());
            }
        }
        if random.chance(0.5) {
            // A second name for the first host.
            let (_, address) = self.hosts[0];
            let _ = writeln!(upstreams, "{}", upstream(random, "mirror", address, true));
            served.push("mirror".to_owned());
        }
        format!(
            "listen: {}\nadmin: {}\nlimits: {{ body_read: {}s }}\ntimeouts: {{ first_byte: {}s }}\n\
             upstreams:\n{upstreams}models:\n{}aliases: {{ quick: steady{} }}\n",
            self.address,
            self.admin,
            50 + random.below(10),
            100 + random.below(10),
            models(random, &served),
            if random.chance(0.5) {
                ", short: steady"
            } else {
                ""
            },
        )
    }
}

/// `is_listed`: its models are known without asking it.
fn upstream(random: &mut Random, name: &str, address: SocketAddr, is_listed: bool) -> String {
    let mut text = format!("  - name: {name}\n    kind: vllm\n    url: \"http://{address}\"\n");
    let models = if is_listed {
        format!("[{SERVED}]")
    } else {
        "{ auto: { refresh: 5s } }".to_owned()
    };
    let _ = writeln!(text, "    models: {models}");
    if !is_listed && random.chance(0.2) {
        text += "    status: maintenance\n";
    }
    let _ = writeln!(
        text,
        "    health: {{ interval: {}s, slow_start: {}s }}",
        1 + random.below(3),
        random.below(3)
    );
    let keys = random.below(4);
    if keys > 0 {
        text += "    keys:\n";
    }
    for key in 0..keys {
        let _ = writeln!(
            text,
            "      - {{ label: k{key}, value: sk-{name}-{key}-{}, weight: {} }}",
            random.below(3),
            1 + random.below(3)
        );
    }
    let _ = write!(text, "    headers: {{ x-team: team-{} }}", random.below(3));
    text
}

fn models(random: &mut Random, served: &[String]) -> String {
    let mut text = String::new();
    let extra = random.below(6);
    let names = (0..extra).map(|number| format!("extra-{number}"));
    for name in std::iter::once("steady".to_owned()).chain(names) {
        let policy = POLICIES[random.below(POLICIES.len())];
        let _ = writeln!(text, "  {name}:\n    policy: {policy}\n    targets:");
        for upstream in served {
            let weight = 1 + random.below(4);
            let _ = writeln!(
                text,
                "      - {{ upstream: {upstream}, model: {SERVED}, weight: {weight} }}"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed() -> Fixed {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Fixed {
            address: address(1),
            admin: address(2),
            hosts: ["gpu-a", "gpu-b", "gpu-c", "gpu-d"]
                .iter()
                .enumerate()
                .map(|(index, name)| ((*name).to_owned(), address(10 + index as u16)))
                .collect(),
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_configurations_and_one_of_ten_is_broken() {
        let make = |seed| {
            let mut random = Random::new(seed);
            (0..500)
                .map(|_| fixed().variant(&mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        let broken = make(1).iter().filter(|variant| variant.is_broken).count();
        assert!((25..100).contains(&broken), "{broken}");
        let different = make(1).windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(different > 490, "{different}");
    }

    #[test]
    fn what_clients_ask_for_is_always_served_by_two() {
        let mut random = Random::new(5);
        for _ in 0..100 {
            let yaml = fixed().right(&mut random);
            for needed in [
                "name: gpu-a\n",
                "name: gpu-b\n",
                "  steady:\n",
                "upstream: gpu-a,",
                "upstream: gpu-b,",
                "quick: steady",
            ] {
                assert!(yaml.contains(needed), "no {needed:?} in\n{yaml}");
            }
        }
    }
}

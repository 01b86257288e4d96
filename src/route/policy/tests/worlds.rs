//! Small worlds with a clock of their own: clients that ask, hosts that answer after a known time, and the order between them.

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{BreakerSettings, HealthSettings};
use crate::upstream::health::{Health, InFlight};

use super::*;

struct Host {
    health: Arc<Health>,
    /// To the first byte; the whole answer takes four times as long.
    latency_millis: u64,
    served: usize,
    in_flight_max: usize,
}

/// A running exchange.
struct Running {
    host: usize,
    client: usize,
    _place: InFlight,
}

/// Clients that each ask again as soon as they are answered.
struct World {
    now: Instant,
    millis: u64,
    hosts: Vec<Host>,
    running: Vec<Option<Running>>,
    /// When something happens to which exchange, the soonest on top; the flag says whether it is the end.
    due: BinaryHeap<Reverse<(u64, usize, bool)>>,
    dice: Dice,
}

impl World {
    fn new(latencies_millis: &[u64], clients: usize) -> World {
        let mut world = World {
            now: Instant::now(),
            millis: 0,
            hosts: Vec::new(),
            running: Vec::new(),
            due: BinaryHeap::new(),
            dice: Dice(7),
        };
        for latency_millis in latencies_millis {
            world.join(*latency_millis);
        }
        for client in 0..clients {
            world.ask(client);
        }
        world
    }

    fn join(&mut self, latency_millis: u64) {
        let settings = HealthSettings {
            probe: None,
            breaker: BreakerSettings {
                failures: 5,
                error_rate: 0.5,
                samples: 20,
                eject: Duration::from_secs(10),
                eject_max: Duration::from_secs(300),
                ejected_share: 0.5,
            },
            slow_start: Duration::from_secs(30),
        };
        self.hosts.push(Host {
            health: Arc::new(Health::new(settings, self.now)),
            latency_millis,
            served: 0,
            in_flight_max: 0,
        });
    }

    fn ask(&mut self, client: usize) {
        let now = self.now;
        let candidates = targets(self.hosts.iter().map(|host| host.health.view(now)));
        let chance = &mut || self.dice.roll();
        let order = order(
            Policy::Health,
            self.running.len(),
            None,
            chance,
            &candidates,
        );
        let host = &mut self.hosts[order[0]];
        let place = host.health.enter();
        host.in_flight_max = host.in_flight_max.max(host.health.in_flight());
        let first_byte = self.millis + host.latency_millis;
        self.due
            .push(Reverse((first_byte, self.running.len(), false)));
        self.running.push(Some(Running {
            host: order[0],
            client,
            _place: place,
        }));
    }

    fn run(&mut self, seconds: u64) {
        let end = self.millis + seconds * 1000;
        while self.millis < end {
            let Reverse((millis, exchange, is_end)) = self.due.pop().expect("each asks again");
            self.now += Duration::from_millis(millis - self.millis);
            self.millis = millis;
            self.happen(exchange, is_end);
        }
    }

    fn happen(&mut self, exchange: usize, is_end: bool) {
        let running = self.running[exchange].as_ref().expect("it has not ended");
        let host = &mut self.hosts[running.host];
        if is_end {
            assert_eq!(host.health.served(self.now), None);
            host.served += 1;
            let ended = self.running[exchange].take();
            self.ask(ended.expect("it is here").client);
        } else {
            let latency = Duration::from_millis(host.latency_millis);
            host.health.first_byte(true, latency, self.now);
            let end = self.millis + 3 * host.latency_millis;
            self.due.push(Reverse((end, exchange, true)));
        }
    }

    fn served(&self) -> Vec<usize> {
        self.hosts.iter().map(|host| host.served).collect()
    }
}

#[test]
fn the_fast_get_most_and_nobody_starves() {
    for clients in [1, 4, 32] {
        let mut world = World::new(&[50, 100, 200], clients);
        world.run(120);
        let served = world.served();
        assert!(
            served.is_sorted_by(|fast, slow| fast > slow),
            "{clients} {served:?}"
        );
        let total: usize = served.iter().sum();
        assert!(served[2] * 200 > total, "{clients} {served:?}");
    }
}

#[test]
fn sixteen_equal_hosts_are_all_used_alike() {
    let mut world = World::new(&[100; 16], 64);
    world.run(60);
    let served = world.served();
    let mean = served.iter().sum::<usize>() / 16;
    for count in &served {
        assert!(count.abs_diff(mean) * 5 < mean, "{served:?}");
    }
}

#[test]
fn no_herd_runs_to_a_new_host() {
    let mut world = World::new(&[100; 8], 64);
    world.run(20);
    for host in &mut world.hosts {
        host.served = 0;
        host.in_flight_max = 0;
    }
    world.join(100);
    world.run(5);
    let at_once: Vec<usize> = world.hosts.iter().map(|host| host.in_flight_max).collect();
    let old_max = at_once[..8].iter().max().expect("there are eight");
    assert!(at_once[8] * 2 <= old_max * 3, "{at_once:?}");
    let served = world.served();
    let mean = served.iter().sum::<usize>() / 9;
    assert!(served[8] * 2 > mean && served[8] < mean * 2, "{served:?}");
}

#[test]
fn a_host_that_has_become_fast_is_found_again() {
    let mut world = World::new(&[2000, 50], 4);
    world.run(60);
    let slow = world.hosts[0].served;
    assert!(slow * 10 < world.hosts[1].served, "{:?}", world.served());
    world.hosts[0].latency_millis = 50;
    for host in &mut world.hosts {
        host.served = 0;
    }
    world.run(300);
    let served = world.served();
    assert!(served[0] * 3 > served[1], "{served:?}");
}

//! What becomes of an endpoint that is reported upon, told as scenes with a clock of their own.

mod properties;

use std::sync::Barrier;

use super::*;
use crate::config::{BreakerSettings, Probe};

/// Three failures in a row, ten seconds, slow start of thirty; probes as asked.
pub(super) fn settings(has_probe: bool) -> HealthSettings {
    let probe = Probe {
        path: "/health".to_owned(),
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        rise: 2,
        fall: 3,
    };
    HealthSettings {
        probe: has_probe.then_some(probe),
        breaker: BreakerSettings {
            failures: 3,
            error_rate: 0.5,
            samples: 20,
            eject: Duration::from_secs(10),
            eject_max: Duration::from_secs(60),
            ejected_share: 0.5,
        },
        slow_start: Duration::from_secs(30),
    }
}

/// An endpoint and its clock.
struct Scene {
    health: Arc<Health>,
    now: Instant,
}

impl Scene {
    fn new(has_probe: bool) -> Scene {
        let now = Instant::now();
        Scene {
            health: Arc::new(Health::new(settings(has_probe), now)),
            now,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn view(&self) -> View {
        self.health.view(self.now)
    }

    fn fail(&self, harm: Harm) -> Option<Change> {
        self.health.failed(harm, self.now, 0.5, || true)
    }

    /// Failures until it is ejected.
    fn eject(&self, harm: Harm) -> Option<Change> {
        (0..3).fold(None, |_, _| self.fail(harm))
    }

    fn serve(&self) -> Option<Change> {
        self.health.served(self.now)
    }

    fn probe(&self, result: ProbeResult, is_up: bool) -> Option<Change> {
        self.health.probed(result, is_up, self.now)
    }

    fn trial(&self) -> Option<Trial> {
        self.health.take_trial(self.now)
    }

    #[track_caller]
    fn stands(&self, expected: Standing) {
        assert_eq!(self.view().standing, expected);
        assert_eq!(self.health.standing(self.now), expected);
    }
}

fn ejected(seconds: u64, ejections: u32) -> Option<Change> {
    Some(Change::Ejected {
        time: Duration::from_secs(seconds),
        ejections,
    })
}

#[test]
fn nothing_known_is_healthy() {
    let scene = Scene::new(true);
    let expected = View {
        standing: Standing::Healthy,
        latency: None,
        error_rate: 0.0,
        in_flight: 0,
        share: 1.0,
        samples: 0.0,
        ejections: 0,
        ejected_for: None,
        busy_for: None,
        trial_is_free: false,
    };
    assert_eq!(scene.view(), expected);
    assert!(scene.trial().is_none());
}

#[test]
fn an_exchange_counts_while_its_guard_lives() {
    let scene = Scene::new(true);
    let first = scene.health.enter();
    let second = scene.health.enter();
    assert_eq!(scene.view().in_flight, 2);
    drop(first);
    assert_eq!(scene.health.in_flight(), 1);
    drop(second);
    assert_eq!(scene.health.in_flight(), 0);
}

#[test]
fn failures_in_a_row_eject_and_a_trial_brings_back_with_a_slow_start() {
    let mut scene = Scene::new(true);
    assert_eq!(scene.fail(Harm::ServerError), None);
    assert_eq!(scene.fail(Harm::Stalled), None);
    assert_eq!(scene.serve(), None);
    assert_eq!(scene.eject(Harm::Timeout), ejected(10, 1));
    scene.stands(Standing::Ejected);
    scene.pass(4);
    assert_eq!(scene.view().ejected_for, Some(Duration::from_secs(6)));
    assert!(scene.trial().is_none(), "its time is not over");
    scene.pass(6);
    scene.stands(Standing::Trial);
    assert_eq!(scene.view().ejected_for, Some(Duration::ZERO));

    let trial = scene.trial().expect("its time is over");
    assert!(scene.trial().is_none(), "one at a time");
    assert!(!scene.view().trial_is_free);
    drop(trial);
    let trial = scene
        .trial()
        .expect("the client went away, and another may try");
    assert_eq!(trial.served(scene.now), Some(Change::Recovered));
    scene.stands(Standing::Recovering);
    let view = scene.view();
    assert_eq!((view.share, view.error_rate, view.ejections), (0.1, 0.0, 1));
    scene.pass(15);
    assert_eq!(scene.view().share, 0.55);
    assert_eq!(
        scene.view().ejections,
        0,
        "ten healthy seconds make one good"
    );
    scene.pass(15);
    scene.stands(Standing::Healthy);
    assert_eq!(scene.view().share, 1.0);
}

#[test]
fn each_failed_trial_doubles_the_time_up_to_the_bound() {
    let mut scene = Scene::new(true);
    assert_eq!(scene.eject(Harm::ServerError), ejected(10, 1));
    for (waited, time, ejections) in [(10, 20, 2), (20, 40, 3), (40, 60, 4), (60, 60, 5)] {
        scene.pass(waited);
        let trial = scene.trial().expect("its time is over");
        let change = trial.failed(Harm::ServerError, scene.now, 0.5);
        assert_eq!(change, ejected(time, ejections));
        scene.stands(Standing::Ejected);
    }
}

#[test]
fn what_began_before_an_ejection_does_not_decide_a_trial() {
    let mut scene = Scene::new(true);
    scene.eject(Harm::ServerError);
    assert_eq!(scene.serve(), None);
    scene.stands(Standing::Ejected);
    scene.pass(10);
    let trial = scene.trial().expect("its time is over");
    assert_eq!(scene.eject(Harm::Reset), None);
    assert_eq!(scene.serve(), None);
    scene.stands(Standing::Trial);
    assert_eq!(trial.served(scene.now), Some(Change::Recovered));
}

#[test]
fn a_share_of_failures_ejects_only_among_enough_attempts() {
    let scene = Scene::new(true);
    let mut changes = Vec::new();
    for _ in 0..10 {
        scene.serve();
        changes.push(scene.fail(Harm::Truncated));
    }
    assert_eq!(changes.pop(), Some(ejected(10, 1)));
    assert_eq!(changes, [None; 9]);
}

#[test]
fn who_cannot_be_done_without_stays_and_is_asked_about_when_there_is_cause() {
    let mut scene = Scene::new(true);
    let mut asked = 0;
    for _ in 0..5 {
        let change = scene.health.failed(Harm::Connect, scene.now, 0.5, || {
            asked += 1;
            false
        });
        assert_eq!(change, None);
        scene.pass(1);
    }
    assert_eq!(asked, 3, "only when there is cause");
    scene.stands(Standing::Healthy);
    assert!(scene.view().error_rate > 0.4);
    assert_eq!(scene.fail(Harm::Connect), ejected(10, 1));
}

#[test]
fn a_loading_host_is_waited_for_and_not_punished() {
    let mut scene = Scene::new(true);
    scene.fail(Harm::Connect);
    assert_eq!(
        scene.probe(ProbeResult::Loading, true),
        Some(Change::Loading)
    );
    let before = scene.view();
    assert_eq!(scene.probe(ProbeResult::Loading, false), None);
    assert_eq!(scene.health.loading(scene.now), None);
    assert_eq!(scene.eject(Harm::ServerError), None);
    scene.stands(Standing::Loading);
    assert_eq!(scene.view(), before);
    scene.pass(600);
    assert!(scene.trial().is_none(), "its probes will tell");
    assert_eq!(scene.probe(ProbeResult::Up, false), None);
    scene.stands(Standing::Loading);
    assert_eq!(scene.probe(ProbeResult::Up, true), Some(Change::Restarted));
    scene.stands(Standing::Recovering);
    assert_eq!(scene.probe(ProbeResult::Up, true), None);
}

#[test]
fn a_host_that_was_down_is_back_as_a_new_one() {
    let mut scene = Scene::new(true);
    scene
        .health
        .first_byte(true, Duration::from_millis(300), scene.now);
    scene.fail(Harm::Reset);
    assert_eq!(scene.probe(ProbeResult::Failed, true), None);
    scene.stands(Standing::Healthy);
    assert_eq!(scene.probe(ProbeResult::Failed, false), Some(Change::Down));
    assert_eq!(scene.probe(ProbeResult::Failed, false), None);
    scene.stands(Standing::Down);
    scene.pass(60);
    assert_eq!(
        scene.probe(ProbeResult::Loading, false),
        Some(Change::Loading)
    );
    assert_eq!(scene.probe(ProbeResult::Up, true), Some(Change::Restarted));
    let view = scene.view();
    assert_eq!((view.latency, view.error_rate), (None, 0.0));
    assert_eq!((view.standing, view.share), (Standing::Recovering, 0.1));
}

#[test]
fn a_probe_ends_a_down_but_no_ejection_before_its_time() {
    let mut scene = Scene::new(true);
    scene.eject(Harm::Connect);
    assert_eq!(scene.probe(ProbeResult::Up, true), None);
    scene.stands(Standing::Ejected);
    scene.probe(ProbeResult::Failed, false);
    scene.stands(Standing::Down);
    assert_eq!(scene.probe(ProbeResult::Up, true), Some(Change::Restarted));
    scene.stands(Standing::Ejected);
    scene.pass(10);
    scene.stands(Standing::Trial);
    assert_eq!(scene.probe(ProbeResult::Up, true), None);
    scene.stands(Standing::Trial);
    // Had it been down until after its time, nothing would be left to try.
    scene.probe(ProbeResult::Failed, false);
    assert!(scene.trial().is_none(), "its probes know better");
    scene.probe(ProbeResult::Up, true);
    scene.stands(Standing::Recovering);
    assert_eq!(scene.view().ejections, 0);
}

#[test]
fn a_trial_that_a_probe_has_overtaken_decides_nothing() {
    let mut scene = Scene::new(true);
    scene.eject(Harm::ServerError);
    scene.pass(10);
    let old = scene.trial().expect("its time is over");
    scene.probe(ProbeResult::Failed, false);
    scene.probe(ProbeResult::Up, true);
    scene.eject(Harm::ServerError);
    scene.pass(10);
    let new = scene.trial().expect("its time is over again");
    assert_eq!(old.failed(Harm::Reset, scene.now, 0.5), None);
    scene.stands(Standing::Trial);
    assert!(!scene.view().trial_is_free, "the new one is still out");
    assert_eq!(new.served(scene.now), Some(Change::Recovered));
}

#[test]
fn a_host_that_refused_connections_is_back_as_a_new_one() {
    // By live traffic, where it could not be ejected.
    let scene = Scene::new(true);
    for _ in 0..3 {
        scene.health.failed(Harm::Connect, scene.now, 0.5, || false);
    }
    assert_eq!(scene.serve(), Some(Change::Restarted));
    scene.stands(Standing::Recovering);
    // By a probe.
    let scene = Scene::new(true);
    for _ in 0..3 {
        scene.health.failed(Harm::Connect, scene.now, 0.5, || false);
    }
    assert_eq!(scene.probe(ProbeResult::Up, true), Some(Change::Restarted));
    // By a trial.
    let mut scene = Scene::new(true);
    scene.eject(Harm::Connect);
    scene.pass(10);
    let trial = scene.trial().expect("its time is over");
    assert_eq!(trial.served(scene.now), Some(Change::Restarted));
    scene.stands(Standing::Recovering);
}

#[test]
fn without_probes_a_loading_host_is_tried_again_by_requests() {
    let mut scene = Scene::new(false);
    assert_eq!(scene.health.loading(scene.now), Some(Change::Loading));
    scene.stands(Standing::Loading);
    scene.pass(5);
    scene.stands(Standing::Trial);
    let trial = scene.trial().expect("it may be back");
    assert_eq!(scene.health.loading(scene.now), None);
    drop(trial);
    scene.stands(Standing::Loading);
    scene.pass(5);
    let trial = scene.trial().expect("it may be back");
    assert_eq!(trial.failed(Harm::Connect, scene.now, 0.5), None);
    scene.stands(Standing::Loading);
    scene.pass(5);
    let trial = scene.trial().expect("it may be back");
    assert_eq!(trial.served(scene.now), Some(Change::Restarted));
    scene.stands(Standing::Recovering);
}

#[test]
fn probes_that_are_turned_off_leave_nobody_behind() {
    let mut scene = Scene::new(true);
    scene.probe(ProbeResult::Failed, false);
    scene.pass(60);
    scene.stands(Standing::Down);
    scene.health.set_settings(settings(false));
    scene.stands(Standing::Trial);
}

#[test]
fn busy_is_no_fault_and_ends_by_itself() {
    let mut scene = Scene::new(true);
    let until = scene.now + Duration::from_secs(7);
    scene.health.busy_until(until);
    scene.health.busy_until(scene.now + Duration::from_secs(2));
    scene.stands(Standing::Busy);
    assert_eq!(scene.view().busy_for, Some(Duration::from_secs(7)));
    assert_eq!(scene.view().error_rate, 0.0);
    scene.pass(7);
    scene.stands(Standing::Healthy);
    assert_eq!(scene.view().busy_for, None);
}

#[test]
fn new_settings_count_from_the_next_report_on() {
    let scene = Scene::new(true);
    scene.fail(Harm::Reset);
    let mut other = settings(true);
    other.breaker.failures = 2;
    other.breaker.eject = Duration::from_secs(4);
    scene.health.set_settings(other);
    assert_eq!(scene.fail(Harm::Reset), ejected(4, 1));
}

#[test]
fn two_that_fail_at_once_do_not_count_on_each_other() {
    let now = Instant::now();
    for _ in 0..50 {
        let pair = [(); 2].map(|()| Health::new(settings(true), now));
        let start = Barrier::new(2);
        let fail = |own: &Health, other: &Health| {
            start.wait();
            for _ in 0..3 {
                own.failed(Harm::Reset, now, 0.5, || {
                    let may = may_eject(0.5, [other.standing(now)]);
                    // Long enough for the other to decide, if it could.
                    (0..100).for_each(|_| std::thread::yield_now());
                    may
                });
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| fail(&pair[0], &pair[1]));
            scope.spawn(|| fail(&pair[1], &pair[0]));
        });
        let left = pair
            .iter()
            .filter(|health| health.standing(now).is_usable());
        assert_eq!(left.count(), 1);
    }
}

#[test]
fn the_last_usable_one_stays_and_only_a_share_may_be_out() {
    use Standing::{Busy, Down, Ejected, Healthy, Loading, Recovering, Trial};
    let cases: &[(f64, &[Standing], bool)] = &[
        (1.0, &[], false),
        (1.0, &[Down, Ejected, Busy, Loading, Trial], false),
        (0.0, &[Healthy], true),
        (0.0, &[Healthy, Ejected], false),
        (0.5, &[Recovering, Healthy, Ejected], true),
        (0.5, &[Healthy, Trial, Ejected], false),
        (0.5, &[Healthy, Down, Loading], true),
        (1.0, &[Healthy, Ejected, Ejected], true),
    ];
    for (share, others, expected) in cases {
        let found = may_eject(*share, others.iter().copied());
        assert_eq!(found, *expected, "{share} {others:?}");
    }
}

#[test]
fn whether_an_endpoint_can_be_done_without_is_asked_once_a_second_while_it_cannot() {
    let mut scene = Scene::new(false);
    let asked = std::cell::Cell::new(0);
    let fail = |scene: &Scene, may: bool| {
        scene.health.failed(Harm::ServerError, scene.now, 0.5, || {
            asked.set(asked.get() + 1);
            may
        })
    };
    for _ in 0..100 {
        assert_eq!(fail(&scene, false), None);
    }
    assert_eq!(asked.get(), 1);
    assert_eq!(scene.view().samples, 100.0, "each failure counts");
    scene.now += Duration::from_millis(999);
    assert_eq!(fail(&scene, true), None);
    assert_eq!(asked.get(), 1);
    scene.now += Duration::from_millis(1);
    assert_eq!(fail(&scene, true), ejected(10, 1));
    assert_eq!(asked.get(), 2);
}

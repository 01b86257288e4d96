//! What holds of an endpoint whatever is reported of it, and in whatever order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    FirstByte(u64),
    Served,
    Failed(Harm, f64, bool),
    Probed(ProbeResult, bool),
    Loading,
    Busy(u64),
    TakeTrial,
    TrialServed,
    TrialFailed(Harm, f64),
    TrialDropped,
    Probes(bool),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop::sample::select(vec![
        Harm::Connect,
        Harm::Reset,
        Harm::ServerError,
        Harm::Timeout,
        Harm::Truncated,
        Harm::Stalled,
    ])
}

fn event() -> impl Strategy<Value = Event> {
    let result = prop::sample::select(vec![
        ProbeResult::Up,
        ProbeResult::Loading,
        ProbeResult::Failed,
    ]);
    prop_oneof![
        4 => (0u64..40_000).prop_map(Event::Pass),
        2 => (0u64..100_000).prop_map(Event::FirstByte),
        4 => Just(Event::Served),
        16 => (harm(), 0.0..1.0, any::<bool>()).prop_map(|(harm, jitter, may)| Event::Failed(harm, jitter, may)),
        2 => (result, any::<bool>()).prop_map(|(result, is_up)| Event::Probed(result, is_up)),
        1 => Just(Event::Loading),
        1 => (0u64..20_000).prop_map(Event::Busy),
        6 => Just(Event::TakeTrial),
        2 => Just(Event::TrialServed),
        4 => (harm(), 0.0..1.0).prop_map(|(harm, jitter)| Event::TrialFailed(harm, jitter)),
        1 => Just(Event::TrialDropped),
        1 => any::<bool>().prop_map(Event::Probes),
    ]
}

/// Keeps what the properties speak of while events happen.
struct Play {
    scene: Scene,
    trials: Vec<Trial>,
    errors: usize,
}

impl Play {
    fn apply(&mut self, event: &Event) -> Option<Change> {
        let scene = &mut self.scene;
        let now = scene.now;
        match event.clone() {
            Event::Pass(millis) => scene.now += Duration::from_millis(millis),
            Event::FirstByte(millis) => {
                scene
                    .health
                    .first_byte(true, Duration::from_millis(millis), now)
            }
            Event::Served => return scene.serve(),
            Event::Failed(harm, jitter, may_eject) => {
                self.errors += 1;
                return scene.health.failed(harm, now, jitter, || may_eject);
            }
            Event::Probed(result, is_up) => return scene.probe(result, is_up),
            Event::Loading => return scene.health.loading(now),
            Event::Busy(millis) => scene.health.busy_until(now + Duration::from_millis(millis)),
            Event::TakeTrial => self.trials.extend(scene.trial()),
            Event::TrialServed => return self.trials.pop()?.served(now),
            Event::TrialFailed(harm, jitter) => {
                let trial = self.trials.pop()?;
                self.errors += 1;
                return trial.failed(harm, now, jitter);
            }
            Event::TrialDropped => drop(self.trials.pop()),
            Event::Probes(has_probe) => scene.health.set_settings(settings(has_probe)),
        }
        None
    }
}

fn play() -> Play {
    Play {
        scene: Scene::new(true),
        trials: Vec::new(),
        errors: 0,
    }
}

fn check_view(view: &View, errors: usize) {
    assert!((0.0..1.0).contains(&view.error_rate), "{view:?}");
    assert!(errors > 0 || view.error_rate == 0.0, "{view:?}");
    assert!((0.1..=1.0).contains(&view.share), "{view:?}");
    assert!(view.samples.is_finite() && view.samples >= 0.0, "{view:?}");
    let score = score(view, Duration::from_millis(70));
    assert!(score.is_finite() && score > 0.0, "{view:?}");
    assert!(!view.trial_is_free || view.standing == Standing::Trial);
    assert!(!view.standing.is_usable() || view.ejected_for.is_none());
}

fn check_ejection(time: Duration, ejections: u32, before: &View, after: &View) {
    assert_eq!(ejections, before.ejections + 1);
    let doubled = Duration::from_secs(10) * (1 << before.ejections.min(20));
    let meant = doubled.min(Duration::from_secs(60));
    assert!(time >= meant.mul_f64(0.9) && time <= meant.mul_f64(1.1));
    assert!(after.ejected_for.is_some());
}

fn stays_within_its_bounds(events: &[Event]) {
    let mut play = play();
    for event in events {
        let before = play.scene.view();
        let change = play.apply(event);
        let after = play.scene.view();
        check_view(&after, play.errors);
        match change {
            Some(Change::Ejected { time, ejections }) => {
                assert!(!matches!(event, Event::Failed(_, _, false)), "it may not");
                check_ejection(time, ejections, &before, &after);
            }
            _ => assert!(before.ejected_for.is_some() || after.ejected_for.is_none()),
        }
    }
}

fn has_one_trial_at_a_time(events: &[Event]) {
    let mut play = play();
    for event in events {
        let was_free = play.scene.view().trial_is_free;
        let out = play.trials.len();
        play.apply(event);
        if play.trials.len() > out {
            assert!(was_free);
            assert!(play.scene.trial().is_none());
        }
    }
    // Those who still hold one give it back, and then the endpoint is shut out no longer.
    play.trials.clear();
    play.scene.health.set_settings(settings(false));
    play.scene.pass(3600);
    let view = play.scene.view();
    assert!(view.standing.is_usable() || view.trial_is_free, "{view:?}");
}

fn has_no_errors_without_failures(events: &[Event]) {
    let is_failure = |event: &&Event| matches!(event, Event::Failed(..) | Event::TrialFailed(..));
    let mut play = play();
    for event in events.iter().filter(|event| !is_failure(event)) {
        play.apply(event);
        let view = play.scene.view();
        let errors = (view.error_rate, view.ejections, view.ejected_for);
        assert_eq!(errors, (0.0, 0, None));
    }
}

/// What a view is made of, and what makes it worse.
type Inputs = (u64, usize, f64, f64);

fn scores_worse(inputs: Inputs, more: Inputs) {
    let unknown = Duration::from_millis(50);
    let (latency, in_flight, error_rate, share) = inputs;
    let view = View {
        latency: Some(Duration::from_micros(latency)),
        in_flight,
        error_rate,
        share,
        ..play().scene.view()
    };
    let own = score(&view, unknown);
    assert!(own.is_finite() && own > 0.0);
    let mut worse = [view; 4];
    worse[0].latency = Some(Duration::from_micros(latency + more.0));
    worse[1].in_flight += more.1;
    worse[2].error_rate += more.2;
    worse[3].share -= more.3;
    for worse in worse {
        assert!(own < score(&worse, unknown), "{view:?} {worse:?}");
    }
    let unmeasured = View {
        latency: None,
        ..view
    };
    assert_eq!(
        score(&unmeasured, unknown),
        score(
            &View {
                latency: Some(unknown),
                ..view
            },
            Duration::ZERO
        )
    );
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_an_endpoint_stays_within_its_bounds(events in events()) {
        stays_within_its_bounds(&events);
    }

    #[test]
    fn there_is_never_more_than_one_trial(events in events()) {
        has_one_trial_at_a_time(&events);
    }

    #[test]
    fn without_failures_there_is_no_error_rate_and_no_ejection(events in events()) {
        has_no_errors_without_failures(&events);
    }

    #[test]
    fn a_score_is_worse_when_any_of_its_inputs_is(
        inputs in (1_000u64..200_000_000, 0usize..100_000, 0.0..0.9f64, 0.3..1.0f64),
        more in (1_000u64..1_000_000_000, 1usize..1000, 0.001..0.1f64, 0.01..0.2f64),
    ) {
        scores_worse(inputs, more);
    }
}

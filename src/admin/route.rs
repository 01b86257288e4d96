//! What there is on the admin listener, from top to bottom.

use http::Method;

use crate::config::UpstreamStatus;
use crate::proxy::percent_decoded;

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Health,
    Readiness,
    Metrics,
    Status,
    Act(Action<'p>),
}

/// What changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action<'p> {
    Reload,
    RotateKeys {
        upstream: &'p str,
    },
    RestKey {
        upstream: &'p str,
        label: &'p str,
    },
    ReviveKey {
        upstream: &'p str,
        label: &'p str,
    },
    SetStatus {
        upstream: &'p str,
        status: UpstreamStatus,
    },
    Eject {
        upstream: &'p str,
        address: &'p str,
    },
    Restore {
        upstream: &'p str,
        address: &'p str,
    },
}

/// What a path is made of.
pub(super) fn segments(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(percent_decoded).collect()
}

impl<'p> Route<'p> {
    pub(super) fn of(segments: &'p [String]) -> Option<Route<'p>> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["healthz"] => Some(Route::Health),
            ["readyz"] => Some(Route::Readiness),
            ["metrics"] => Some(Route::Metrics),
            ["admin", "v1", "status"] => Some(Route::Status),
            ["admin", "v1", rest @ ..] => Action::of(rest).map(Route::Act),
            _ => None,
        }
    }

    /// Whether it is answered without a token: to load balancers and orchestrators, which have none.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Route::Health | Route::Readiness)
    }

    pub(super) fn methods(self) -> &'static [Method] {
        match self {
            Route::Act(_) => &[Method::POST],
            _ => &[Method::GET, Method::HEAD],
        }
    }
}

impl<'p> Action<'p> {
    fn of(segments: &[&'p str]) -> Option<Action<'p>> {
        match *segments {
            ["reload"] => Some(Action::Reload),
            ["upstreams", upstream, "keys", "rotate"] => Some(Action::RotateKeys { upstream }),
            ["upstreams", upstream, "keys", label, "rest"] => {
                Some(Action::RestKey { upstream, label })
            }
            ["upstreams", upstream, "keys", label, "revive"] => {
                Some(Action::ReviveKey { upstream, label })
            }
            ["upstreams", upstream, said] => Some(Action::SetStatus {
                upstream,
                status: status(said)?,
            }),
            ["endpoints", upstream, address, "eject"] => Some(Action::Eject { upstream, address }),
            ["endpoints", upstream, address, "restore"] => {
                Some(Action::Restore { upstream, address })
            }
            _ => None,
        }
    }
}

fn status(said: &str) -> Option<UpstreamStatus> {
    match said {
        "enable" => Some(UpstreamStatus::Online),
        "disable" => Some(UpstreamStatus::Offline),
        "maintenance" => Some(UpstreamStatus::Maintenance),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_say() {
        let (upstream, label, address) = ("gpu-a", "main", "[::1]:80");
        let rest = Action::RestKey { upstream, label };
        let eject = Action::Eject { upstream, address };
        let drain = Action::SetStatus {
            upstream,
            status: UpstreamStatus::Maintenance,
        };
        let cases = [
            ("/healthz", Some(Route::Health)),
            ("/metrics", Some(Route::Metrics)),
            ("/admin/v1/status", Some(Route::Status)),
            ("/admin/v1/reload", Some(Route::Act(Action::Reload))),
            (
                "/admin/v1/upstreams/gpu-a/keys/rotate",
                Some(Route::Act(Action::RotateKeys { upstream })),
            ),
            (
                "/admin/v1/upstreams/gpu-a/keys/main/rest",
                Some(Route::Act(rest)),
            ),
            (
                "/admin/v1/upstreams/gpu-a/maintenance",
                Some(Route::Act(drain)),
            ),
            (
                "/admin/v1/endpoints/gpu-a/%5B::1%5D%3A80/eject",
                Some(Route::Act(eject)),
            ),
            ("/", None),
            ("/healthz/", None),
            ("/admin/v1/upstreams/gpu-a/destroy", None),
            ("/admin/v1/upstreams/gpu-a/keys/main", None),
            ("/admin/v2/status", None),
        ];
        for (path, expected) in cases {
            let segments = segments(path);
            assert_eq!(Route::of(&segments), expected, "{path}");
        }
    }
}

//! What a component is, by what it exports, and the functions of one instance of it. A component that is no plugin is told what
//! it lacks.

use std::collections::BTreeSet;

use wasmtime::component::{Component, Instance, InstancePre};
use wasmtime::{Engine, Store};

use super::state::State;
use super::v0_1::exports::{
    adapter, auth, lifecycle, observer, request_filter, response_filter, router,
};
use crate::plugin::hooks::Kind;
use crate::plugin::trouble::Trouble;

/// The contract that weir hosts.
pub const VERSION: &str = "0.1.0";
const PACKAGE: &str = "weir:plugin/";

/// Where the functions of a component are.
pub struct Indices {
    lifecycle: lifecycle::GuestIndices,
    guard: Option<(request_filter::GuestIndices, response_filter::GuestIndices)>,
    router: Option<router::GuestIndices>,
    auth: Option<auth::GuestIndices>,
    observer: Option<observer::GuestIndices>,
    adapter: Option<adapter::GuestIndices>,
}

/// The functions of one instance.
pub struct Exports {
    pub lifecycle: lifecycle::Guest,
    guard: Option<GuardExports>,
    router: Option<router::Guest>,
    auth: Option<auth::Guest>,
    observer: Option<observer::Guest>,
    adapter: Option<adapter::Guest>,
}

pub struct GuardExports {
    pub request: request_filter::Guest,
    pub response: response_filter::Guest,
}

/// What the component is.
///
/// # Errors
/// When it is no plugin of this contract: why.
pub fn kinds(engine: &Engine, component: &Component) -> Result<Vec<Kind>, String> {
    check_imports(engine, component)?;
    let ty = component.component_type();
    let exports: BTreeSet<&str> = ty.exports(engine).map(|(name, _)| name).collect();
    let has =
        |interface: &str| exports.contains(format!("{PACKAGE}{interface}@{VERSION}").as_str());
    if !has("lifecycle") {
        return Err(no_plugin(&exports));
    }
    if has("request-filter") != has("response-filter") {
        return Err(
            "exports one of request-filter and response-filter; a guard has both".to_owned(),
        );
    }
    let kinds: Vec<Kind> = INTERFACES
        .into_iter()
        .filter_map(|(interface, kind)| has(interface).then_some(kind))
        .collect();
    if kinds.is_empty() {
        return Err(no_plugin(&exports));
    }
    Ok(kinds)
}

/// The interfaces that make a component what it is.
const INTERFACES: [(&str, Kind); 5] = [
    ("request-filter", Kind::Guard),
    ("router", Kind::Router),
    ("auth", Kind::Auth),
    ("observer", Kind::Observer),
    ("adapter", Kind::Adapter),
];

fn no_plugin(exports: &BTreeSet<&str>) -> String {
    let of_weir = exports.iter().find_map(|name| name.strip_prefix(PACKAGE));
    let other = of_weir.and_then(|name| name.split_once('@'));
    if let Some((_, version)) = other
        && version != VERSION
    {
        return format!("is made for weir:plugin@{version}; this weir hosts weir:plugin@{VERSION}");
    }
    let names = match exports.len() {
        0 => "nothing".to_owned(),
        _ => exports.iter().copied().collect::<Vec<_>>().join(", "),
    };
    format!(
        "is no plugin: it exports {names}; a plugin exports {PACKAGE}lifecycle@{VERSION} and one of guard (request-filter and response-filter), router, auth, observer, adapter"
    )
}

fn check_imports(engine: &Engine, component: &Component) -> Result<(), String> {
    let ty = component.component_type();
    let others: Vec<&str> = ty
        .imports(engine)
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with(PACKAGE))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(format!(
        "imports {}, which weir does not have: there is no WASI; `weir plugin build` leaves it out",
        others.join(", ")
    ))
}

impl Indices {
    /// # Errors
    /// When an interface lacks a function.
    pub fn new(pre: &InstancePre<State>, kinds: &[Kind]) -> wasmtime::Result<Indices> {
        let has = |kind| kinds.contains(&kind).then_some(pre);
        Ok(Indices {
            lifecycle: lifecycle::GuestIndices::new(pre)?,
            guard: match has(Kind::Guard) {
                Some(pre) => Some((
                    request_filter::GuestIndices::new(pre)?,
                    response_filter::GuestIndices::new(pre)?,
                )),
                None => None,
            },
            router: has(Kind::Router)
                .map(router::GuestIndices::new)
                .transpose()?,
            auth: has(Kind::Auth).map(auth::GuestIndices::new).transpose()?,
            observer: has(Kind::Observer)
                .map(observer::GuestIndices::new)
                .transpose()?,
            adapter: has(Kind::Adapter)
                .map(adapter::GuestIndices::new)
                .transpose()?,
        })
    }

    /// # Errors
    /// When a function has not the contract's type.
    pub fn load(
        &self,
        mut store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Exports> {
        let store = &mut store;
        Ok(Exports {
            lifecycle: self.lifecycle.load(&mut *store, instance)?,
            guard: match &self.guard {
                Some((request, response)) => Some(GuardExports {
                    request: request.load(&mut *store, instance)?,
                    response: response.load(&mut *store, instance)?,
                }),
                None => None,
            },
            router: match &self.router {
                Some(indices) => Some(indices.load(&mut *store, instance)?),
                None => None,
            },
            auth: match &self.auth {
                Some(indices) => Some(indices.load(&mut *store, instance)?),
                None => None,
            },
            observer: match &self.observer {
                Some(indices) => Some(indices.load(&mut *store, instance)?),
                None => None,
            },
            adapter: match &self.adapter {
                Some(indices) => Some(indices.load(&mut *store, instance)?),
                None => None,
            },
        })
    }
}

impl Exports {
    pub fn guard(&self) -> Result<&GuardExports, Trouble> {
        self.guard.as_ref().ok_or_else(|| is_not(Kind::Guard))
    }

    pub fn router(&self) -> Result<&router::Guest, Trouble> {
        self.router.as_ref().ok_or_else(|| is_not(Kind::Router))
    }

    pub fn auth(&self) -> Result<&auth::Guest, Trouble> {
        self.auth.as_ref().ok_or_else(|| is_not(Kind::Auth))
    }

    pub fn observer(&self) -> Result<&observer::Guest, Trouble> {
        self.observer.as_ref().ok_or_else(|| is_not(Kind::Observer))
    }

    pub fn adapter(&self) -> Result<&adapter::Guest, Trouble> {
        self.adapter.as_ref().ok_or_else(|| is_not(Kind::Adapter))
    }
}

fn is_not(kind: Kind) -> Trouble {
    Trouble::Unavailable(format!("it is not {}", kind.named()))
}

//! The contract `weir:plugin@0.1.0` as Rust: what is generated from its WIT, and the way from there to the types that weir works with.

pub mod lift;
pub mod lower;

/// Generated. One world that has every interface: which of the exports a component has is looked up one by one.
#[allow(
    clippy::all,
    clippy::large_futures,
    clippy::undocumented_unsafe_blocks,
    missing_docs
)]
pub mod bindings {
    wasmtime::component::bindgen!({
        path: "plugins/wit/v0_1",
        inline: "
            package weir:every;
            world every {
                include weir:plugin/host-imports@0.1.0;
                export weir:plugin/lifecycle@0.1.0;
                export weir:plugin/auth@0.1.0;
                export weir:plugin/router@0.1.0;
                export weir:plugin/request-filter@0.1.0;
                export weir:plugin/response-filter@0.1.0;
                export weir:plugin/observer@0.1.0;
                export weir:plugin/adapter@0.1.0;
            }
        ",
        world: "weir:every/every",
        imports: {
            "weir:plugin/http.send": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

pub use bindings::exports::weir::plugin as exports;
pub use bindings::weir::plugin as imports;
pub use imports::types as wit;

//! What makes a type the plugin of its crate: exports for the world of its hook in a guest, and nothing anywhere else.

/// `weir_plugin::guard!(Type);` makes a [`Guard`](crate::Guard) the plugin of its crate.
#[macro_export]
macro_rules! guard {
    ($plugin:ty) => {
        const _: fn() = $crate::check::guard::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::guest::guard;
            $crate::__lifecycle!($plugin, $crate::Guard);

            #[unsafe(export_name = "weir:plugin/request-filter@0.1.0#on-request")]
            extern "C" fn on_request() -> *const u8 {
                guard::on_request(&PLUGIN)
            }
            #[unsafe(export_name = "weir:plugin/request-filter@0.1.0#on-upstream-request")]
            unsafe extern "C" fn on_upstream_request(target: *mut u8) -> *const u8 {
                unsafe { guard::on_upstream_request(&PLUGIN, target) }
            }
            #[unsafe(export_name = "weir:plugin/response-filter@0.1.0#wants")]
            extern "C" fn wants() -> *const u8 {
                guard::wants(&PLUGIN)
            }
            #[unsafe(export_name = "weir:plugin/response-filter@0.1.0#on-response")]
            extern "C" fn on_response() -> *const u8 {
                guard::on_response(&PLUGIN)
            }
            #[unsafe(export_name = "weir:plugin/response-filter@0.1.0#[constructor]stream")]
            unsafe extern "C" fn stream(
                status: u32,
                headers: *mut u8,
                many_headers: usize,
                upstream: *mut u8,
                upstream_bytes: usize,
                model: *mut u8,
                model_bytes: usize,
            ) -> u32 {
                let headers = (headers, many_headers);
                let (upstream, model) = ((upstream, upstream_bytes), (model, model_bytes));
                unsafe { guard::stream(&PLUGIN, status, headers, upstream, model) }
            }
            #[unsafe(export_name = "weir:plugin/response-filter@0.1.0#[method]stream.on-events")]
            unsafe extern "C" fn on_events(stream: usize, at: *mut u8, count: usize) -> *const u8 {
                unsafe { guard::on_events::<$plugin>(stream, at, count) }
            }
            #[unsafe(export_name = "weir:plugin/response-filter@0.1.0#[method]stream.on-end")]
            unsafe extern "C" fn on_end(stream: usize) -> *const u8 {
                unsafe { guard::on_end::<$plugin>(stream) }
            }
            #[unsafe(export_name = "weir:plugin/response-filter@0.1.0#[dtor]stream")]
            unsafe extern "C" fn drop_stream(stream: usize) {
                unsafe { guard::drop_stream::<$plugin>(stream) }
            }
        };
    };
}

/// `weir_plugin::router!(Type);` makes a [`Router`](crate::Router) the plugin of its crate.
#[macro_export]
macro_rules! router {
    ($plugin:ty) => {
        const _: fn() = $crate::check::router::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::__lifecycle!($plugin, $crate::Router);

            #[unsafe(export_name = "weir:plugin/router@0.1.0#pick")]
            unsafe extern "C" fn pick(at: *mut u8, count: usize) -> *const u8 {
                unsafe { $crate::guest::router::pick(&PLUGIN, at, count) }
            }
        };
    };
}

/// `weir_plugin::auth!(Type);` makes an [`Auth`](crate::Auth) the plugin of its crate.
#[macro_export]
macro_rules! auth {
    ($plugin:ty) => {
        const _: fn() = $crate::check::auth::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::__lifecycle!($plugin, $crate::Auth);

            #[unsafe(export_name = "weir:plugin/auth@0.1.0#authenticate")]
            extern "C" fn authenticate() -> *const u8 {
                $crate::guest::auth::authenticate(&PLUGIN)
            }
        };
    };
}

/// `weir_plugin::observer!(Type);` makes an [`Observer`](crate::Observer) the plugin of its crate.
#[macro_export]
macro_rules! observer {
    ($plugin:ty) => {
        const _: fn() = $crate::check::observer::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::__lifecycle!($plugin, $crate::Observer);

            #[unsafe(export_name = "weir:plugin/observer@0.1.0#on-log")]
            unsafe extern "C" fn on_log(at: *mut u8, count: usize) -> *const u8 {
                unsafe { $crate::guest::observer::on_log(&PLUGIN, at, count) }
            }
        };
    };
}

/// `weir_plugin::adapter!(Type);` makes an [`Adapter`](crate::Adapter) the plugin of its crate.
#[macro_export]
macro_rules! adapter {
    ($plugin:ty) => {
        const _: fn() = $crate::check::adapter::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::guest::adapter;
            $crate::__lifecycle!($plugin, $crate::Adapter);

            #[unsafe(export_name = "weir:plugin/adapter@0.1.0#describe")]
            extern "C" fn describe() -> *const u8 {
                adapter::describe(&PLUGIN)
            }
            #[unsafe(export_name = "weir:plugin/adapter@0.1.0#encode")]
            unsafe extern "C" fn encode(target: *mut u8) -> *const u8 {
                unsafe { adapter::encode(&PLUGIN, target) }
            }
            #[unsafe(export_name = "weir:plugin/adapter@0.1.0#[constructor]decoder")]
            unsafe extern "C" fn decoder(
                status: u32,
                headers: *mut u8,
                many_headers: usize,
            ) -> u32 {
                unsafe { adapter::decoder(&PLUGIN, status, (headers, many_headers)) }
            }
            #[unsafe(export_name = "weir:plugin/adapter@0.1.0#[method]decoder.push")]
            unsafe extern "C" fn push(decoder: usize, at: *mut u8, bytes: usize) -> *const u8 {
                unsafe { adapter::push::<$plugin>(decoder, at, bytes) }
            }
            #[unsafe(export_name = "weir:plugin/adapter@0.1.0#[method]decoder.finish")]
            unsafe extern "C" fn finish(decoder: usize) -> *const u8 {
                unsafe { adapter::finish::<$plugin>(decoder) }
            }
            #[unsafe(export_name = "weir:plugin/adapter@0.1.0#[dtor]decoder")]
            unsafe extern "C" fn drop_decoder(decoder: usize) {
                unsafe { adapter::drop_decoder::<$plugin>(decoder) }
            }
            #[unsafe(export_name = "weir:plugin/adapter@0.1.0#classify")]
            unsafe extern "C" fn classify(
                status: u32,
                headers: *mut u8,
                many_headers: usize,
                body: *mut u8,
                body_bytes: usize,
            ) -> *const u8 {
                let (headers, body) = ((headers, many_headers), (body, body_bytes));
                unsafe { adapter::classify(&PLUGIN, status, headers, body) }
            }
        };
    };
}

/// What every world has: the plugin itself, `configure`, and memory for what the host hands over.
#[doc(hidden)]
#[macro_export]
macro_rules! __lifecycle {
    ($plugin:ty, $hook:path) => {
        static PLUGIN: $crate::guest::Slot<$plugin> = $crate::guest::Slot::new();

        #[unsafe(export_name = "weir:plugin/lifecycle@0.1.0#configure")]
        unsafe extern "C" fn configure(config: *mut u8, config_bytes: usize) -> *const u8 {
            let configure = <$plugin as $hook>::configure;
            unsafe { $crate::guest::configure(&PLUGIN, configure, config, config_bytes) }
        }
        #[unsafe(export_name = "cabi_realloc")]
        unsafe extern "C" fn reallocate(
            at: *mut u8,
            size: usize,
            align: usize,
            size_wanted: usize,
        ) -> *mut u8 {
            unsafe { $crate::guest::reallocate(at, size, align, size_wanted) }
        }
    };
}

/// That the type has the hook which its macro says: for native builds, where nothing else would say so.
#[doc(hidden)]
pub mod check {
    pub fn guard<T: crate::Guard>() {}
    pub fn router<T: crate::Router>() {}
    pub fn auth<T: crate::Auth>() {}
    pub fn observer<T: crate::Observer>() {}
    pub fn adapter<T: crate::Adapter>() {}
}

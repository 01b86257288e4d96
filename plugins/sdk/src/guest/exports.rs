//! What the exports of each world do. The macros make the exports themselves, which only a plugin's own crate can have.

use std::cell::RefCell;

use super::abi::{Abi, Answer, free};
use super::imports::Imports;
use crate::host::{Host, Level};
use crate::types::{Candidate, Header};

pub use super::abi::reallocate;

/// The plugin of a guest, from `configure` on.
pub struct Slot<T>(RefCell<Option<T>>);

// A guest has one thread.
unsafe impl<T> Sync for Slot<T> {}

impl<T> Slot<T> {
    #[expect(clippy::new_without_default, reason = "a static needs a const")]
    pub const fn new() -> Slot<T> {
        Slot(RefCell::new(None))
    }

    fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R {
        let mut plugin = self.0.borrow_mut();
        call(
            plugin
                .as_mut()
                .expect("a host configures a plugin before all else"),
        )
    }
}

/// # Safety
/// As for all exports: the arguments are what the contract says, and the host has lowered them.
pub unsafe fn configure<T>(
    slot: &Slot<T>,
    configure: fn(&str) -> Result<T, String>,
    config: *mut u8,
    config_bytes: usize,
) -> *const u8 {
    // The message of a panic would be lost with the guest.
    std::panic::set_hook(Box::new(|panic| {
        Imports.log(Level::Error, &panic.to_string())
    }));
    let configured = configure(&unsafe { text(config, config_bytes) });
    Answer::of(configured.map(|plugin| {
        slot.0.replace(Some(plugin));
    }))
}

unsafe fn text(at: *mut u8, bytes: usize) -> String {
    unsafe { String::from_utf8_unchecked(u8::read_list(at, bytes)) }
}

/// A record with too many members to be handed over as arguments.
unsafe fn indirect<T: Abi>(at: *mut u8) -> T {
    let value = unsafe { T::read(at) };
    unsafe { free(at, T::SIZE, T::ALIGN) };
    value
}

/// A resource that this guest exports: the host holds its address.
fn held<T>(resource: T) -> usize {
    Box::into_raw(Box::new(resource)) as usize
}

/// # Safety
/// The host has got `resource` from [`held`] for the same type, and holds it no longer.
unsafe fn release<T>(resource: usize) {
    drop(unsafe { Box::from_raw(resource as *mut T) });
}

pub mod router {
    use super::*;
    use crate::hooks::Router;

    /// # Safety
    /// See [`configure`].
    pub unsafe fn pick<T: Router>(slot: &Slot<T>, at: *mut u8, count: usize) -> *const u8 {
        let candidates = unsafe { Candidate::read_list(at, count) };
        Answer::of(slot.with(|plugin| plugin.pick(&Imports, &candidates)))
    }
}

pub mod auth {
    use super::*;
    use crate::hooks::Auth;

    pub fn authenticate<T: Auth>(slot: &Slot<T>) -> *const u8 {
        Answer::of(slot.with(|plugin| plugin.authenticate(&Imports)))
    }
}

pub mod observer {
    use super::*;
    use crate::hooks::Observer;
    use crate::types::Outcome;

    /// # Safety
    /// See [`configure`].
    pub unsafe fn on_log<T: Observer>(slot: &Slot<T>, at: *mut u8, count: usize) -> *const u8 {
        let batch = unsafe { Outcome::read_list(at, count) };
        Answer::of(slot.with(|plugin| plugin.on_log(&Imports, &batch)))
    }
}

pub mod guard {
    use super::*;
    use crate::hooks::{Guard, GuardStream};
    use crate::types::{ResponseHead, StreamEvent};

    pub fn wants<T: Guard>(slot: &Slot<T>) -> *const u8 {
        Answer::of(slot.with(|plugin| plugin.wants()))
    }

    pub fn on_request<T: Guard>(slot: &Slot<T>) -> *const u8 {
        Answer::of(slot.with(|plugin| plugin.on_request(&Imports)))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn on_upstream_request<T: Guard>(slot: &Slot<T>, target: *mut u8) -> *const u8 {
        let target: Candidate = unsafe { indirect(target) };
        Answer::of(slot.with(|plugin| plugin.on_upstream_request(&Imports, &target)))
    }

    pub fn on_response<T: Guard>(slot: &Slot<T>) -> *const u8 {
        Answer::of(slot.with(|plugin| plugin.on_response(&Imports)))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn stream<T: Guard>(
        slot: &Slot<T>,
        status: u32,
        headers: (*mut u8, usize),
        upstream: (*mut u8, usize),
        model: (*mut u8, usize),
    ) -> u32 {
        #[link(wasm_import_module = "[export]weir:plugin/response-filter@0.1.0")]
        unsafe extern "C" {
            #[link_name = "[resource-new]stream"]
            fn resource_new(stream: usize) -> u32;
        }
        let head = unsafe {
            ResponseHead {
                status: status as u16,
                headers: Header::read_list(headers.0, headers.1),
                upstream: text(upstream.0, upstream.1),
                model: text(model.0, model.1),
            }
        };
        let stream = slot.with(|plugin| plugin.stream(&Imports, head));
        unsafe { resource_new(held(stream)) }
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn on_events<T: Guard>(stream: usize, at: *mut u8, count: usize) -> *const u8 {
        let stream = unsafe { &mut *(stream as *mut T::Stream) };
        let events = unsafe { StreamEvent::read_list(at, count) };
        Answer::of(stream.on_events(&Imports, events))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn on_end<T: Guard>(stream: usize) -> *const u8 {
        let stream = unsafe { &mut *(stream as *mut T::Stream) };
        Answer::of(stream.on_end(&Imports))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn drop_stream<T: Guard>(stream: usize) {
        unsafe { release::<T::Stream>(stream) }
    }
}

pub mod adapter {
    use super::*;
    use crate::hooks::{Adapter, Decoder};

    pub fn describe<T: Adapter>(slot: &Slot<T>) -> *const u8 {
        Answer::of(slot.with(|plugin| plugin.describe()))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn encode<T: Adapter>(slot: &Slot<T>, target: *mut u8) -> *const u8 {
        let target: Candidate = unsafe { indirect(target) };
        Answer::of(slot.with(|plugin| plugin.encode(&Imports, &target)))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn decoder<T: Adapter>(
        slot: &Slot<T>,
        status: u32,
        headers: (*mut u8, usize),
    ) -> u32 {
        #[link(wasm_import_module = "[export]weir:plugin/adapter@0.1.0")]
        unsafe extern "C" {
            #[link_name = "[resource-new]decoder"]
            fn resource_new(decoder: usize) -> u32;
        }
        let headers = unsafe { Header::read_list(headers.0, headers.1) };
        let decoder = slot.with(|plugin| plugin.decoder(&Imports, status as u16, &headers));
        unsafe { resource_new(held(decoder)) }
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn push<T: Adapter>(decoder: usize, at: *mut u8, bytes: usize) -> *const u8 {
        let decoder = unsafe { &mut *(decoder as *mut T::Decoder) };
        let chunk = unsafe { u8::read_list(at, bytes) };
        Answer::of(decoder.push(&Imports, &chunk))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn finish<T: Adapter>(decoder: usize) -> *const u8 {
        let decoder = unsafe { &mut *(decoder as *mut T::Decoder) };
        Answer::of(decoder.finish(&Imports))
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn drop_decoder<T: Adapter>(decoder: usize) {
        unsafe { release::<T::Decoder>(decoder) }
    }

    /// # Safety
    /// See [`configure`].
    pub unsafe fn classify<T: Adapter>(
        slot: &Slot<T>,
        status: u32,
        headers: (*mut u8, usize),
        body: (*mut u8, usize),
    ) -> *const u8 {
        let headers = unsafe { Header::read_list(headers.0, headers.1) };
        let body = unsafe { u8::read_list(body.0, body.1) };
        Answer::of(slot.with(|plugin| plugin.classify(status as u16, &headers, &body)))
    }
}

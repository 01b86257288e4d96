//! The canonical ABI: how values stand in linear memory (component-model, `CanonicalABI.md`, "Loading" and "Storing").
//!
//! What a guest returns points at memory that must live until the host has read it: [`Answer`] keeps that until the next call.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;

/// A type of the contract.
pub trait Abi: Sized {
    const SIZE: usize;
    const ALIGN: usize;

    /// # Safety
    /// `at` is aligned to `ALIGN`, and the host has written a value of this type there, which is read once: lists in it are
    /// this guest's own allocations, and become the value's.
    unsafe fn read(at: *const u8) -> Self;

    /// # Safety
    /// `at` is aligned to `ALIGN`, and `SIZE` bytes there are this guest's to write.
    unsafe fn write(self, at: *mut u8, answer: &mut Answer);

    /// # Safety
    /// As [`Abi::read`], for `count` values one after another, which are an allocation of their own.
    unsafe fn read_list(at: *mut u8, count: usize) -> Vec<Self> {
        let one = |place: usize| unsafe { Self::read(at.add(place * Self::SIZE)) };
        let list = (0..count).map(one).collect();
        unsafe { free(at, count * Self::SIZE, Self::ALIGN) };
        list
    }

    fn write_list(list: Vec<Self>, answer: &mut Answer) -> *const u8 {
        let at = answer.room(list.len() * Self::SIZE, Self::ALIGN);
        for (place, one) in list.into_iter().enumerate() {
            unsafe { one.write(at.add(place * Self::SIZE), answer) };
        }
        at
    }
}

/// What a call has returned, as long as the host may read it: until the next call.
#[derive(Default)]
pub struct Answer {
    kept: Vec<(*mut u8, Layout)>,
}

impl Answer {
    /// The value, where the host will look for it.
    pub fn of<T: Abi>(value: T) -> *const u8 {
        thread_local! {
            static LAST: RefCell<Answer> = RefCell::default();
        }
        let mut answer = Answer::default();
        let at = answer.room(T::SIZE, T::ALIGN);
        unsafe { value.write(at, &mut answer) };
        LAST.set(answer);
        at
    }

    fn room(&mut self, size: usize, align: usize) -> *mut u8 {
        let at = allocate(size, align);
        if size > 0 {
            self.kept.push((at, layout(size, align)));
        }
        at
    }

    fn keep(&mut self, bytes: Vec<u8>) -> *const u8 {
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        if bytes.capacity() > 0 {
            self.kept
                .push((bytes.as_mut_ptr(), layout(bytes.capacity(), 1)));
        }
        bytes.as_ptr()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        for (at, layout) in self.kept.drain(..) {
            unsafe { dealloc(at, layout) };
        }
    }
}

/// Memory that the host asks for, to put arguments and results there.
///
/// # Safety
/// As `realloc` of C, with the size and the alignment that `at` was allocated with.
pub unsafe fn reallocate(at: *mut u8, size: usize, align: usize, size_wanted: usize) -> *mut u8 {
    if size == 0 {
        return allocate(size_wanted, align);
    }
    let layout = layout(size, align);
    let moved = unsafe { std::alloc::realloc(at, layout, size_wanted) };
    if moved.is_null() {
        handle_alloc_error(layout);
    }
    moved
}

/// No bytes stand at an address that is aligned, and nothing else.
fn allocate(size: usize, align: usize) -> *mut u8 {
    if size == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    let layout = layout(size, align);
    let at = unsafe { alloc(layout) };
    if at.is_null() {
        handle_alloc_error(layout);
    }
    at
}

/// # Safety
/// The host has got `at` from [`reallocate`] for just that size and alignment, and nobody reads there any more.
pub unsafe fn free(at: *mut u8, size: usize, align: usize) {
    if size > 0 {
        unsafe { dealloc(at, layout(size, align)) };
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("the host asks for what there can be")
}

pub const fn align_to(place: usize, align: usize) -> usize {
    place.div_ceil(align) * align
}

pub const fn larger(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}

/// Where the payload of a variant begins whose largest alignment this is: after one byte, which says the case.
pub const fn payload_at(align: usize) -> usize {
    align_to(1, align)
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Abi for $number {
            const SIZE: usize = size_of::<$number>();
            const ALIGN: usize = size_of::<$number>();
            unsafe fn read(at: *const u8) -> $number {
                unsafe { at.cast::<$number>().read() }
            }
            unsafe fn write(self, at: *mut u8, _: &mut Answer) {
                unsafe { at.cast::<$number>().write(self) }
            }
        }
    )*};
}

number!(u16, u32, u64, i64, f32);

impl Abi for u8 {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
    unsafe fn read(at: *const u8) -> u8 {
        unsafe { at.read() }
    }
    unsafe fn write(self, at: *mut u8, _: &mut Answer) {
        unsafe { at.write(self) }
    }
    unsafe fn read_list(at: *mut u8, count: usize) -> Vec<u8> {
        // Of no bytes there is no allocation; a capacity of 0 says so.
        unsafe { Vec::from_raw_parts(at, count, count) }
    }
    fn write_list(list: Vec<u8>, answer: &mut Answer) -> *const u8 {
        answer.keep(list)
    }
}

impl Abi for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
    unsafe fn read(at: *const u8) -> bool {
        unsafe { at.read() != 0 }
    }
    unsafe fn write(self, at: *mut u8, _: &mut Answer) {
        unsafe { at.write(u8::from(self)) }
    }
}

impl Abi for () {
    const SIZE: usize = 0;
    const ALIGN: usize = 1;
    unsafe fn read(_: *const u8) {}
    unsafe fn write(self, _: *mut u8, _: &mut Answer) {}
}

impl<T: Abi> Abi for Vec<T> {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;
    unsafe fn read(at: *const u8) -> Vec<T> {
        let words = at.cast::<usize>();
        unsafe { T::read_list(words.read() as *mut u8, words.add(1).read()) }
    }
    unsafe fn write(self, at: *mut u8, answer: &mut Answer) {
        let count = self.len();
        let list = T::write_list(self, answer);
        let words = at.cast::<usize>();
        unsafe {
            words.write(list as usize);
            words.add(1).write(count);
        }
    }
}

impl Abi for String {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;
    unsafe fn read(at: *const u8) -> String {
        // Hosts may hand over nothing but UTF-8.
        unsafe { String::from_utf8_unchecked(Vec::read(at)) }
    }
    unsafe fn write(self, at: *mut u8, answer: &mut Answer) {
        unsafe { self.into_bytes().write(at, answer) }
    }
}

/// A pair, whether the contract names its two members or not.
impl<A: Abi, B: Abi> Abi for (A, B) {
    const ALIGN: usize = larger(A::ALIGN, B::ALIGN);
    const SIZE: usize = align_to(align_to(A::SIZE, B::ALIGN) + B::SIZE, Self::ALIGN);
    unsafe fn read(at: *const u8) -> (A, B) {
        unsafe { (A::read(at), B::read(at.add(align_to(A::SIZE, B::ALIGN)))) }
    }
    unsafe fn write(self, at: *mut u8, answer: &mut Answer) {
        unsafe {
            self.0.write(at, answer);
            self.1.write(at.add(align_to(A::SIZE, B::ALIGN)), answer);
        }
    }
}

impl<T: Abi> Abi for Option<T> {
    const ALIGN: usize = T::ALIGN;
    const SIZE: usize = align_to(payload_at(T::ALIGN) + T::SIZE, T::ALIGN);
    unsafe fn read(at: *const u8) -> Option<T> {
        unsafe { bool::read(at).then(|| T::read(at.add(payload_at(T::ALIGN)))) }
    }
    unsafe fn write(self, at: *mut u8, answer: &mut Answer) {
        unsafe {
            self.is_some().write(at, answer);
            if let Some(value) = self {
                value.write(at.add(payload_at(T::ALIGN)), answer);
            }
        }
    }
}

impl<T: Abi, E: Abi> Abi for Result<T, E> {
    const ALIGN: usize = larger(T::ALIGN, E::ALIGN);
    const SIZE: usize = align_to(
        payload_at(Self::ALIGN) + larger(T::SIZE, E::SIZE),
        Self::ALIGN,
    );
    unsafe fn read(at: *const u8) -> Result<T, E> {
        unsafe {
            let payload = at.add(payload_at(Self::ALIGN));
            match bool::read(at) {
                false => Ok(T::read(payload)),
                true => Err(E::read(payload)),
            }
        }
    }
    unsafe fn write(self, at: *mut u8, answer: &mut Answer) {
        unsafe {
            self.is_err().write(at, answer);
            let payload = at.add(payload_at(Self::ALIGN));
            match self {
                Ok(value) => value.write(payload, answer),
                Err(error) => error.write(payload, answer),
            }
        }
    }
}

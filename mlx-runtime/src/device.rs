//! Devices that run operations.
//!
//! The default device is one setting of the whole process: the GPU if MLX has one, else the CPU. Every operation goes
//! to the calling thread's current stream on it ([`crate::stream`]).
//!
//! Tests: `tests/runtime.rs`.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fmt;
use std::ptr::null;
use std::str::FromStr;

use mlx_sys as sys;
use serde::{Serialize, Serializer};

use crate::containers::MlxString;
use crate::error::{check, from_c};
use crate::handles::{c_string, VectorString};
use crate::init::init;
use crate::live::{live, Live};
use crate::{Error, ErrorKind, Result};

/// CPU or GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceType {
    /// The host's processors.
    Cpu,
    /// Metal or CUDA, whichever MLX was built with.
    Gpu,
}

/// One device: its type and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    kind: DeviceType,
    index: i32,
}

impl Device {
    /// Device number `index` of a type. It may not exist ([`is_available`]).
    pub const fn new(kind: DeviceType, index: i32) -> Self {
        Self { kind, index }
    }

    /// The CPU.
    pub const fn cpu() -> Self {
        Self::new(DeviceType::Cpu, 0)
    }

    /// The first GPU.
    pub const fn gpu() -> Self {
        Self::new(DeviceType::Gpu, 0)
    }

    /// CPU or GPU.
    pub const fn kind(self) -> DeviceType {
        self.kind
    }

    /// The device's index among the devices of its type.
    pub const fn index(self) -> i32 {
        self.index
    }

    /// The text that MLX prints for it, such as `Device(cpu, 0)`.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn description(self) -> Result<String> {
        let handle = self.handle()?;
        let mut text = MlxString::default();
        // SAFETY: both handles are ours.
        check("device", unsafe {
            sys::mlx_device_tostring(text.as_out(), handle.as_raw())
        })?;
        Ok(text.as_text().into_owned())
    }

    pub(crate) fn handle(self) -> Result<Handle> {
        init();
        // SAFETY: plain values in, an owned handle out.
        let raw = unsafe { sys::mlx_device_new_type(raw_type(self.kind), self.index) };
        if raw.ctx.is_null() {
            return Err(from_c("device", &[]));
        }
        Ok(Handle(raw, Live::new()))
    }

    /// # Errors
    /// [`ErrorKind::Device`] if MLX does not have this device: MLX itself indexes a table with it.
    pub(crate) fn check_available(self, op: &'static str) -> Result<()> {
        if is_available(self)? {
            return Ok(());
        }
        Err(
            Error::new(ErrorKind::Device, format!("device {self} not found"))
                .with_op(op)
                .with_hint("`device::device_count` returns the number of devices of a type"),
        )
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DeviceType::Cpu => write!(f, "cpu:{}", self.index),
            DeviceType::Gpu => write!(f, "gpu:{}", self.index),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Parses `cpu`, `gpu`, or either with a number: `gpu:1`. The device may not exist.
    fn from_str(text: &str) -> Result<Self> {
        let (kind, index) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
        let kind = match kind.to_ascii_lowercase().as_str() {
            "cpu" => Some(DeviceType::Cpu),
            "gpu" => Some(DeviceType::Gpu),
            _ => None,
        };
        match (kind, index.parse::<u16>()) {
            (Some(kind), Ok(index)) => Ok(Self::new(kind, index.into())),
            _ => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("unknown device {text:?}"),
            )
            .with_hint("write cpu, gpu, or one with a number, such as gpu:1")),
        }
    }
}

impl TryFrom<&str> for Device {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const fn raw_type(kind: DeviceType) -> sys::mlx_device_type {
    match kind {
        DeviceType::Cpu => sys::mlx_device_type__MLX_CPU,
        DeviceType::Gpu => sys::mlx_device_type__MLX_GPU,
    }
}

/// Owns one `mlx_device`.
pub(crate) struct Handle(sys::mlx_device, live!(Device));

impl Handle {
    pub(crate) fn null() -> Self {
        // SAFETY: makes a handle without a value.
        Self(unsafe { sys::mlx_device_new() }, Live::new())
    }

    fn same(&self, other: &Self) -> bool {
        let both = !self.0.ctx.is_null() && !other.0.ctx.is_null();
        // SAFETY: the handles are valid; MLX C looks into them without a check.
        both && unsafe { sys::mlx_device_equal(self.0, other.0) }
    }

    /// Another handle to the same device.
    fn copy(&self) -> Result<Self> {
        let mut copy = Self::null();
        // SAFETY: both handles are ours.
        check("device", unsafe {
            sys::mlx_device_set(&mut copy.0, self.0)
        })?;
        Ok(copy)
    }

    pub(crate) fn as_raw(&self) -> sys::mlx_device {
        self.0
    }

    pub(crate) fn as_out(&mut self) -> *mut sys::mlx_device {
        &mut self.0
    }

    pub(crate) fn device(&self) -> Result<Device> {
        let mut kind = sys::mlx_device_type__MLX_CPU;
        let mut index = 0;
        // SAFETY: the handle is valid and both destinations outlive the calls.
        unsafe {
            check("device", sys::mlx_device_get_type(&mut kind, self.0))?;
            check("device", sys::mlx_device_get_index(&mut index, self.0))?;
        }
        let kind = if kind == sys::mlx_device_type__MLX_CPU {
            DeviceType::Cpu
        } else {
            DeviceType::Gpu
        };
        Ok(Device { kind, index })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_device_free(self.0) };
    }
}

/// The device that operations run on.
///
/// # Errors
/// If MLX cannot say.
pub fn default_device() -> Result<Device> {
    init();
    let mut handle = Handle::null();
    // SAFETY: the destination is an owned null handle.
    check("default_device", unsafe {
        sys::mlx_get_default_device(handle.as_out())
    })?;
    handle.device()
}

/// Sets the device that operations run on, for every thread of the process.
///
/// Call it before building arrays: MLX does not guard the setting, and other threads notice it at
/// their next operation.
///
/// # Errors
/// [`ErrorKind::Device`] if MLX does not have the device.
pub fn set_default_device(device: Device) -> Result<()> {
    device.check_available("set_default_device")?;
    let handle = device.handle()?;
    // Evaluations read the setting.
    let _lock = crate::lock::graph_lock();
    // SAFETY: the handle is valid.
    check("set_default_device", unsafe {
        sys::mlx_set_default_device(handle.as_raw())
    })?;
    crate::stream::default_device_changed();
    Ok(())
}

/// Runs `f` with another default device, and puts the previous one back, also when `f` panics. The
/// setting is one of the process: other threads notice it, too.
///
/// # Errors
/// Returns the error of `f`, and [`ErrorKind::Device`] if MLX does not have the device.
pub fn with_default<T>(device: Device, f: impl FnOnce() -> Result<T>) -> Result<T> {
    /// Puts the device back.
    struct Restore(Handle);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _lock = crate::lock::graph_lock();
            // SAFETY: the handle is valid. It was the default before, so it is available.
            unsafe { sys::mlx_set_default_device(self.0.as_raw()) };
            crate::stream::default_device_changed();
        }
    }
    device.check_available("with_default")?;
    let mut before = Handle::null();
    // SAFETY: the destination is ours.
    check("with_default", unsafe {
        sys::mlx_get_default_device(before.as_out())
    })?;
    if before.same(&device.handle()?) {
        return f();
    }
    let _restore = Restore(before.copy()?);
    set_default_device(device)?;
    f()
}

/// One fact about a device by its name, if MLX has it; see [`info`] for all of them.
///
/// # Errors
/// [`ErrorKind::Device`] if MLX does not have the device.
pub fn info_of(device: Device, key: &str) -> Result<Option<Info>> {
    let facts = Facts::read(device)?;
    let key = c_string(Facts::OP, key)?;
    if facts.has(&key)? {
        return facts.get(&key);
    }
    Ok(None)
}

/// Returns true if MLX can use the device.
///
/// # Errors
/// If MLX cannot say.
pub fn is_available(device: Device) -> Result<bool> {
    if device.index < 0 {
        return Ok(false);
    }
    let handle = device.handle()?;
    let mut yes = false;
    // SAFETY: the handle is valid and the destination outlives the call.
    check("is_available", unsafe {
        sys::mlx_device_is_available(&mut yes, handle.as_raw())
    })?;
    Ok(yes)
}

/// The number of devices of a type.
///
/// # Errors
/// If MLX cannot say.
pub fn device_count(kind: DeviceType) -> Result<i32> {
    init();
    let mut n = 0;
    // SAFETY: the destination outlives the call.
    check("device_count", unsafe {
        sys::mlx_device_count(&mut n, raw_type(kind))
    })?;
    Ok(n)
}

/// One fact about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Info {
    /// Text, such as a name.
    Text(String),
    /// A number, such as a size in bytes.
    Size(usize),
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Info::Text(t) => f.write_str(t),
            Info::Size(n) => n.fmt(f),
        }
    }
}

/// The properties of a device, by MLX's names: `architecture`, `memory_size`, `max_recommended_working_set_size`, ...
/// The backend decides which there are.
///
/// # Errors
/// [`ErrorKind::Device`] if MLX does not have the device.
pub fn info(device: Device) -> Result<BTreeMap<String, Info>> {
    let facts = Facts::read(device)?;
    let mut keys = VectorString::null();
    // SAFETY: both handles are ours.
    check(Facts::OP, unsafe {
        sys::mlx_device_info_get_keys(keys.as_out(), facts.0)
    })?;
    let mut out = BTreeMap::new();
    for key in keys.to_vec(Facts::OP)? {
        if let Some(fact) = facts.get(&c_string(Facts::OP, &key)?)? {
            out.insert(key, fact);
        }
    }
    Ok(out)
}

/// The properties of a device. Owns one `mlx_device_info`.
struct Facts(sys::mlx_device_info, live!(DeviceInfo));

impl Drop for Facts {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_device_info_free(self.0) };
    }
}

impl Facts {
    const OP: &'static str = "device_info";

    fn read(device: Device) -> Result<Self> {
        device.check_available(Self::OP)?;
        let handle = device.handle()?;
        // SAFETY: makes a handle without a value.
        let mut info = Self(unsafe { sys::mlx_device_info_new() }, Live::new());
        // SAFETY: both handles are ours.
        check(Self::OP, unsafe {
            sys::mlx_device_info_get(&mut info.0, handle.as_raw())
        })?;
        Ok(info)
    }

    fn has(&self, key: &CStr) -> Result<bool> {
        let mut yes = false;
        // SAFETY: the handle and the key are valid.
        check(Self::OP, unsafe {
            sys::mlx_device_info_has_key(&mut yes, self.0, key.as_ptr())
        })?;
        Ok(yes)
    }

    fn get(&self, key: &CStr) -> Result<Option<Info>> {
        let mut is_text = false;
        // SAFETY: the handle and the key are valid.
        check(Self::OP, unsafe {
            sys::mlx_device_info_is_string(&mut is_text, self.0, key.as_ptr())
        })?;
        if !is_text {
            let mut n = 0;
            // SAFETY: as above.
            check(Self::OP, unsafe {
                sys::mlx_device_info_get_size(&mut n, self.0, key.as_ptr())
            })?;
            return Ok(Some(Info::Size(n)));
        }
        let mut text = null();
        // SAFETY: as above; the text lives in `self`, and is copied.
        check(Self::OP, unsafe {
            sys::mlx_device_info_get_string(&mut text, self.0, key.as_ptr())
        })?;
        if text.is_null() {
            return Ok(None);
        }
        // SAFETY: a NUL-terminated string that `self` keeps alive.
        let text = unsafe { CStr::from_ptr(text) };
        Ok(Some(Info::Text(text.to_string_lossy().into_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_device_exists() {
        let d = default_device().unwrap();
        assert!(is_available(d).unwrap());
        assert!(device_count(d.kind()).unwrap() > d.index());
        for (key, fact) in info(d).unwrap() {
            assert_eq!(info_of(d, &key).unwrap(), Some(fact));
        }
        assert_eq!(info_of(d, "no such fact").unwrap(), None);
        assert_eq!(with_default(d, default_device).unwrap(), d);
        assert!(d.description().unwrap().starts_with("Device("));
    }

    #[test]
    fn devices_as_text() {
        for (text, device) in [
            ("cpu", Device::cpu()),
            ("GPU", Device::gpu()),
            (" gpu:1 ", Device::new(DeviceType::Gpu, 1)),
        ] {
            assert_eq!(text.parse::<Device>().unwrap(), device);
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        for bad in [
            "",
            "gpu:",
            "gpu:-1",
            "gpu:x",
            "cuda",
            "gpu:1:2",
            ":",
            "gpu:99999",
        ] {
            let e = bad.parse::<Device>().unwrap_err();
            assert!(e.hint().is_some(), "{bad}");
        }
    }

    #[test]
    fn absent_devices_are_errors() {
        for d in [
            Device::new(DeviceType::Cpu, 99),
            Device::new(DeviceType::Gpu, -1),
        ] {
            assert!(!is_available(d).unwrap());
            assert_eq!(set_default_device(d).unwrap_err().kind(), ErrorKind::Device);
            assert_eq!(info(d).unwrap_err().kind(), ErrorKind::Device);
            assert!(crate::stream::Stream::new(d).is_err());
        }
    }
}

//! The utilisation of an Apple GPU, from the registry of the system's drivers.
//!
//! Tests: `tests/monitor.rs`, on a Mac.

use objc2_core_foundation::{CFDictionary, CFNumber, CFRetained, CFString};
use objc2_io_kit::{
    io_registry_entry_t, kIOMainPortDefault, IOObjectRelease, IORegistryEntryCreateCFProperty,
    IOServiceGetMatchingService, IOServiceMatching,
};

/// The driver of the machine's GPU in the registry.
#[derive(Debug)]
pub(super) struct Driver(io_registry_entry_t);

impl Driver {
    /// `None` if the registry has no GPU.
    pub fn find() -> Option<Self> {
        // SAFETY: the name is a C string, and the call takes over the dictionary.
        let entry = unsafe {
            let matching = IOServiceMatching(c"IOAccelerator".as_ptr())?;
            let matching = CFRetained::cast_unchecked::<CFDictionary>(matching);
            IOServiceGetMatchingService(kIOMainPortDefault, Some(matching))
        };
        (entry != 0).then_some(Driver(entry))
    }

    /// The share of the last moments in which the GPU was busy, from 0 to 1; `None` if the driver does not say it.
    pub fn utilization(&self) -> Option<f64> {
        let key = CFString::from_static_str("PerformanceStatistics");
        // SAFETY: the entry lives as long as `self`.
        let found = unsafe { IORegistryEntryCreateCFProperty(self.0, Some(&key), None, 0) }?;
        let found = found.downcast::<CFDictionary>().ok()?;
        let key = CFString::from_static_str("Device Utilization %");
        let key: *const CFString = &*key;
        // SAFETY: the dictionary's keys are strings, and its values are objects of Core Foundation that it holds.
        let value = unsafe {
            let value = found
                .value(key.cast())
                .cast::<objc2_core_foundation::CFType>();
            value.as_ref()?
        };
        let percent = value.downcast_ref::<CFNumber>()?.as_f64()?;
        Some((percent / 100.0).clamp(0.0, 1.0))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A handle that cannot be released is lost to the process, which goes on.
        let _ = IOObjectRelease(self.0);
    }
}

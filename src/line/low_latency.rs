//! `ASYNC_LOW_LATENCY`: a driver that collects what it received for a while (FTDI: 16 ms) hands it
//! over at once (`setserial(8)`).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc::{self, c_int, c_uchar, c_uint, c_ulong, c_ushort, c_void};

/// Bit 13 of the flags in `include/uapi/linux/tty_flags.h`.
const ASYNC_LOW_LATENCY: c_int = 1 << 13;

/// `struct serial_struct` of `include/uapi/linux/serial.h`.
#[repr(C)]
#[derive(Debug)]
struct SerialStruct {
    kind: c_int,
    line: c_int,
    port: c_uint,
    irq: c_int,
    flags: c_int,
    xmit_fifo_size: c_int,
    custom_divisor: c_int,
    baud_base: c_int,
    close_delay: c_ushort,
    io_type: c_uchar,
    reserved_char: [c_uchar; 1],
    hub6: c_int,
    closing_wait: c_ushort,
    closing_wait2: c_ushort,
    iomem_base: *mut c_void,
    iomem_reg_shift: c_ushort,
    port_high: c_uint,
    iomap_base: c_ulong,
}

nix::ioctl_read_bad!(
    /// `TIOCGSERIAL` (`ioctl_tty(2)`).
    tiocgserial,
    libc::TIOCGSERIAL,
    SerialStruct
);
nix::ioctl_write_ptr_bad!(
    /// `TIOCSSERIAL` (`ioctl_tty(2)`).
    tiocsserial,
    libc::TIOCSSERIAL,
    SerialStruct
);

/// Switches it on. False where it was on before or the driver has no such switch: never an error.
pub(super) fn switch_on(tty: BorrowedFd<'_>) -> bool {
    read(tty)
        .filter(|serial| serial.flags & ASYNC_LOW_LATENCY == 0)
        .is_some_and(|mut serial| {
            serial.flags |= ASYNC_LOW_LATENCY;
            write(tty, &serial)
        })
}

/// Switches it off again.
pub(super) fn switch_off(tty: BorrowedFd<'_>) {
    if let Some(mut serial) = read(tty) {
        serial.flags &= !ASYNC_LOW_LATENCY;
        write(tty, &serial);
    }
}

fn read(tty: BorrowedFd<'_>) -> Option<SerialStruct> {
    let mut serial = std::mem::MaybeUninit::zeroed();
    // SAFETY: the kernel fills in exactly one `serial_struct`, and all zeros are a valid one too.
    #[allow(unsafe_code)]
    unsafe {
        tiocgserial(tty.as_raw_fd(), serial.as_mut_ptr())
            .is_ok()
            .then(|| serial.assume_init())
    }
}

fn write(tty: BorrowedFd<'_>, serial: &SerialStruct) -> bool {
    // SAFETY: the kernel reads one `serial_struct`, which lives as long as the call.
    #[allow(unsafe_code)]
    unsafe {
        tiocsserial(tty.as_raw_fd(), std::ptr::from_ref(serial)).is_ok()
    }
}

//! The system calls of the plane: one UDP socket read and written many datagrams at a time, and what a thread waits
//! with. The only module with unsafe code; everything it hands out is safe.

#![expect(unsafe_code, reason = "libstd has neither recvmmsg, sendmmsg, epoll nor eventfd")]

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libc::{cmsghdr, epoll_event, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6, socklen_t, timespec};

use crate::egress::{Batch, MAX_MESSAGES, Message};

/// Datagrams that are read by one call.
pub const MAX_DATAGRAMS: usize = 64;
/// Datagrams that are asked for while few come.
const MIN_DATAGRAMS: usize = 8;
/// What is kept of a datagram; media and checks are smaller.
pub const DATAGRAM_BYTES: usize = 2048;
/// Wanted for both of the socket's buffers: a keyframe to everybody fits.
pub const SOCKET_BUFFER_BYTES: c_int = 8 * 1024 * 1024;

/// Which of the kernel's means are used; a plane finds out by itself what is missing.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `recvmmsg` and `sendmmsg`.
    pub many_messages: bool,
    /// UDP generic segmentation offload.
    pub segmentation: bool,
    /// `epoll_pwait2`; without it waits end on whole milliseconds.
    pub precise_wait: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { many_messages: true, segmentation: true, precise_wait: true }
    }
}

/// Turn -1 into the error that errno tells.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// `CLOCK_MONOTONIC` in us, as Python's `time.monotonic_ns() // 1000`.
pub fn monotonic_us() -> i64 {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time lives until the call returned, which can't fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

/// A bound, non-blocking UDP socket.
pub struct Socket {
    udp: UdpSocket,
    /// Of a dual-stack socket addresses of IPv4 are mapped ones.
    ipv6: bool,
}

impl Socket {
    /// `host` "::" takes IPv4 and IPv6 in one socket, and IPv4 alone where the machine has no IPv6; port 0 is any.
    pub fn bind(host: &str, port: u16) -> io::Result<Self> {
        let address = (host, port).to_socket_addrs()?.next().ok_or(ErrorKind::AddrNotAvailable)?;
        match Self::open(address) {
            Err(error) if host == "::" => {
                if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
                    return Err(error);
                }
                Self::open(SocketAddr::from(([0, 0, 0, 0], port)))
            }
            result => result,
        }
    }

    fn open(address: SocketAddr) -> io::Result<Self> {
        let ipv6 = address.is_ipv6();
        let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::socket(family, kind, 0) })?;
        // SAFETY: `fd` was opened just now and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        if ipv6 {
            set_option(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
        }
        for (option, beyond_limit) in
            [(libc::SO_RCVBUF, libc::SO_RCVBUFFORCE), (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE)]
        {
            // Without CAP_NET_ADMIN: as much as net.core.rmem_max and wmem_max allow.
            set_option(&fd, libc::SOL_SOCKET, beyond_limit, SOCKET_BUFFER_BYTES)
                .or_else(|_| set_option(&fd, libc::SOL_SOCKET, option, SOCKET_BUFFER_BYTES))?;
        }
        let name = Name::new(address, ipv6).ok_or(ErrorKind::InvalidInput)?;
        // SAFETY: `name` is a socket address of `Name::length` bytes and lives until the call returned.
        check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), Name::length(ipv6)) })?;
        Ok(Self { udp: UdpSocket::from(fd), ipv6 })
    }

    /// The address that is bound.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Whether this kernel has UDP GSO (a route may refuse it nevertheless).
    pub fn has_segmentation(&self) -> bool {
        set_option(&self.udp, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
    }

    /// Send one datagram.
    pub fn send_one(&self, datagram: &[u8], address: SocketAddr) -> io::Result<()> {
        let address = match address {
            SocketAddr::V4(v4) if self.ipv6 => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
            address => address,
        };
        self.udp.send_to(datagram, address).map(drop)
    }
}

fn set_option(fd: &impl AsRawFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let length = mem::size_of::<c_int>() as socklen_t;
    // SAFETY: the option's value is `length` bytes of a c_int that lives until the call returned.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    check(result).map(drop)
}

/// A socket address as the kernel takes and gives it.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

impl Name {
    const EMPTY: Self = Self {
        v6: sockaddr_in6 {
            sin6_family: 0,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
            sin6_scope_id: 0,
        },
    };

    /// None for an IPv6 address on a socket of IPv4.
    fn new(address: SocketAddr, ipv6: bool) -> Option<Self> {
        let mut name = Self::EMPTY;
        match (address, ipv6) {
            (SocketAddr::V4(v4), false) => {
                name.v4 = sockaddr_in {
                    sin_family: libc::AF_INET as u16,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                    sin_zero: [0; 8],
                };
            }
            (SocketAddr::V6(_), false) => return None,
            (address, true) => {
                let (ip, scope) = match address {
                    SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
                    SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
                };
                name.v6 = sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as u16,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
                    sin6_scope_id: scope,
                };
            }
        }
        Some(name)
    }

    /// Bytes of a name on such a socket.
    const fn length(ipv6: bool) -> socklen_t {
        (if ipv6 { mem::size_of::<sockaddr_in6>() } else { mem::size_of::<sockaddr_in>() }) as socklen_t
    }

    /// Who sent a datagram; mapped addresses are told as plain IPv4.
    fn address(&self) -> Option<SocketAddr> {
        // SAFETY: every bit pattern is a valid value of the integers that both variants are made of, and all bytes
        // of a name are initialised (`EMPTY` fills the larger variant); the family comes first in both.
        let (family, v4, v6) = unsafe { (c_int::from(self.v4.sin_family), self.v4, self.v6) };
        match family {
            libc::AF_INET => {
                let ip = u32::from_be(v4.sin_addr.s_addr).into();
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let port = u16::from_be(v6.sin6_port);
                Some(plain(SocketAddrV6::new(v6.sin6_addr.s6_addr.into(), port, 0, v6.sin6_scope_id)))
            }
            _ => None,
        }
    }
}

/// IPv4 peers of a dual-stack socket as plain IPv4.
fn plain(address: SocketAddrV6) -> SocketAddr {
    match address.ip().to_ipv4_mapped() {
        Some(ip) => (IpAddr::V4(ip), address.port()).into(),
        None => address.into(),
    }
}

/// The message that asks for segmentation (udp(7), `UDP_SEGMENT`).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct SegmentSize {
    header: cmsghdr,
    bytes: u16,
    fill: [u8; 6],
}

impl SegmentSize {
    fn new(bytes: u16) -> Self {
        // SAFETY: cmsghdr is made of integers, for which zero is a valid value.
        let mut header: cmsghdr = unsafe { mem::zeroed() };
        // SAFETY: CMSG_LEN only calculates.
        header.cmsg_len = unsafe { libc::CMSG_LEN(mem::size_of::<u16>() as u32) } as _;
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        Self { header, bytes, fill: [0; 6] }
    }
}

// The data of a control message must stand where the kernel looks for it.
const _: () = {
    // SAFETY: CMSG_SPACE only calculates.
    assert!(mem::size_of::<SegmentSize>() == unsafe { libc::CMSG_SPACE(2) } as usize);
    // SAFETY: CMSG_LEN only calculates.
    assert!(mem::offset_of!(SegmentSize, bytes) == unsafe { libc::CMSG_LEN(0) } as usize);
};

fn empty_message() -> mmsghdr {
    // SAFETY: mmsghdr is made of integers and pointers, for which zero is a valid value.
    unsafe { mem::zeroed() }
}

fn empty_vector() -> iovec {
    iovec { iov_base: ptr::null_mut(), iov_len: 0 }
}

/// Memory for what is read at once, on one thread.
pub struct Receiver {
    /// How many are asked for: what comes alone is not to cost the preparation of many.
    wanted: usize,
    full: bool,
    bytes: Vec<u8>,
    names: Vec<Name>,
    vectors: Vec<iovec>,
    headers: Vec<mmsghdr>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            wanted: MIN_DATAGRAMS,
            full: false,
            bytes: vec![0; MAX_DATAGRAMS * DATAGRAM_BYTES],
            names: vec![Name::EMPTY; MAX_DATAGRAMS],
            vectors: vec![empty_vector(); MAX_DATAGRAMS],
            headers: vec![empty_message(); MAX_DATAGRAMS],
        }
    }
}

impl Receiver {
    /// Read what is there, at most `MAX_DATAGRAMS`, by one `recvmmsg`. [`may_have_more`](Self::may_have_more) tells
    /// whether that was all.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        let wanted = self.wanted;
        self.full = false;
        let chunks = self.bytes.chunks_exact_mut(DATAGRAM_BYTES).take(wanted);
        for (((header, vector), name), chunk) in
            self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.names).zip(chunks)
        {
            *vector = iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: chunk.len() };
            *name = Name::EMPTY;
            header.msg_len = 0;
            let message: &mut msghdr = &mut header.msg_hdr;
            message.msg_name = ptr::from_mut(name).cast();
            message.msg_namelen = mem::size_of::<Name>() as socklen_t;
            message.msg_iov = vector;
            message.msg_iovlen = 1;
        }
        let fd = socket.udp.as_raw_fd();
        // SAFETY: the first `wanted` elements of `headers` (there are MAX_DATAGRAMS, as of all the others) were filled
        // above: their names and vectors point at elements of `names`, `vectors` and `bytes`, with their true sizes,
        // each at its own; those are not moved nor touched until the call returned, and the kernel keeps none of the
        // pointers.
        let count =
            check(unsafe { libc::recvmmsg(fd, self.headers.as_mut_ptr(), wanted as _, 0, ptr::null_mut()) })?
                as usize;
        self.full = count == wanted;
        if self.full {
            self.wanted = (2 * wanted).min(MAX_DATAGRAMS);
        } else if count < wanted / 4 {
            self.wanted = (wanted / 2).max(MIN_DATAGRAMS);
        }
        Ok(count)
    }

    /// Whether as many datagrams were read last as were asked for.
    pub fn may_have_more(&self) -> bool {
        self.full
    }

    /// The same by one `recvfrom` a datagram.
    pub fn receive_singly(&mut self, socket: &Socket) -> io::Result<usize> {
        let mut count = 0;
        self.full = false;
        for ((header, name), chunk) in
            self.headers.iter_mut().zip(&mut self.names).zip(self.bytes.chunks_exact_mut(DATAGRAM_BYTES))
        {
            match socket.udp.recv_from(chunk) {
                Ok((length, address)) => {
                    header.msg_len = length as _;
                    *name = Name::new(address, socket.ipv6).unwrap_or(Name::EMPTY);
                    count += 1;
                }
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.full = count == MAX_DATAGRAMS;
        Ok(count)
    }

    /// One of the datagrams that were read last, and who sent it.
    pub fn datagram(&mut self, index: usize) -> Option<(&mut [u8], SocketAddr)> {
        let length = self.headers.get(index)?.msg_len as usize;
        let address = self.names.get(index)?.address()?;
        let start = index * DATAGRAM_BYTES;
        Some((self.bytes.get_mut(start..start + length.min(DATAGRAM_BYTES))?, address))
    }
}

/// Memory for what is sent at once, on one thread.
pub struct Sender {
    names: Vec<Name>,
    vectors: Vec<iovec>,
    segments: Vec<SegmentSize>,
    headers: Vec<mmsghdr>,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            names: vec![Name::EMPTY; MAX_MESSAGES],
            vectors: vec![empty_vector(); MAX_MESSAGES],
            segments: vec![SegmentSize::new(0); MAX_MESSAGES],
            headers: vec![empty_message(); MAX_MESSAGES],
        }
    }
}

impl Sender {
    /// Send the first of these messages of a batch, at most `MAX_MESSAGES`, by one `sendmmsg`; returns how many went.
    /// An error is that of the first one, and none went.
    pub fn send(&mut self, socket: &Socket, batch: &Batch, messages: &[Message]) -> io::Result<usize> {
        let mut count = 0;
        for ((((message, header), vector), name), segment) in messages
            .iter()
            .zip(&mut self.headers)
            .zip(&mut self.vectors)
            .zip(&mut self.names)
            .zip(&mut self.segments)
        {
            let Some(known) = Name::new(message.address, socket.ipv6) else {
                if count == 0 {
                    return Err(ErrorKind::AddrNotAvailable.into());
                }
                break;
            };
            *name = known;
            let bytes = batch.bytes(message);
            *vector = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let one = &mut header.msg_hdr;
            one.msg_name = ptr::from_mut(name).cast();
            one.msg_namelen = Name::length(socket.ipv6);
            one.msg_iov = vector;
            one.msg_iovlen = 1;
            if message.segment < message.length {
                segment.bytes = message.segment as u16;
                one.msg_control = ptr::from_mut(segment).cast();
                one.msg_controllen = mem::size_of::<SegmentSize>() as _;
            } else {
                one.msg_control = ptr::null_mut();
                one.msg_controllen = 0;
            }
            count += 1;
        }
        let fd = socket.udp.as_raw_fd();
        // SAFETY: the first `count` elements of `headers` were filled above: their names, vectors and control messages
        // point at elements of `names`, `vectors` and `segments`, the vectors at bytes of the batch, all with their
        // true sizes; nothing of it is moved nor touched until the call returned, the kernel only reads what the
        // vectors point at (so the batch may be shared) and keeps none of the pointers.
        let sent = check(unsafe { libc::sendmmsg(fd, self.headers.as_mut_ptr(), count, 0) })?;
        Ok(sent as usize)
    }
}

/// An eventfd: many threads raise it, one waits for it.
pub struct Signal(File);

impl Signal {
    /// Not raised.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: `fd` was opened just now and nobody else has it.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Make it readable.
    pub fn raise(&self) {
        // It fails only when it was raised 2^64 times, and then it is readable too.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    /// Make it unreadable until it is raised again.
    pub fn clear(&self) {
        // It fails only when it is not raised.
        let _ = (&self.0).read(&mut [0; 8]);
    }

    /// For those who wait; closed with the signal.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ready {
    /// There are datagrams.
    pub datagrams: bool,
    /// The signal is raised.
    pub signal: bool,
}

const SOCKET_MARK: u64 = 0;
const SIGNAL_MARK: u64 = 1;

/// Waits for a socket and a signal, both level-triggered.
pub struct Poller {
    epoll: OwnedFd,
    precise: bool,
}

impl Poller {
    /// They must live as long as it waits.
    pub fn new(socket: &Socket, signal: &Signal, precise: bool) -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was opened just now and nobody else has it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        for (fd, mark) in [(socket.udp.as_raw_fd(), SOCKET_MARK), (signal.fd(), SIGNAL_MARK)] {
            let mut event = epoll_event { events: libc::EPOLLIN as u32, u64: mark };
            // SAFETY: the event lives until the call returned, and the kernel copies it.
            check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        }
        Ok(Self { epoll, precise })
    }

    /// Wait until there is something or `timeout_us` passed.
    pub fn wait(&mut self, timeout_us: i64) -> io::Result<Ready> {
        let mut events = [epoll_event { events: 0, u64: 0 }; 2];
        let result = if self.precise {
            match self.wait_precisely(&mut events, timeout_us) {
                // A filter of system calls may answer EPERM for one that it does not know.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.precise = false;
                    self.wait_by_milliseconds(&mut events, timeout_us)
                }
                result => result,
            }
        } else {
            self.wait_by_milliseconds(&mut events, timeout_us)
        };
        let count = match result {
            Ok(count) => count as usize,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        let mut ready = Ready::default();
        for event in events.iter().take(count) {
            match event.u64 {
                SOCKET_MARK => ready.datagrams = true,
                _ => ready.signal = true,
            }
        }
        Ok(ready)
    }

    fn wait_precisely(&self, events: &mut [epoll_event; 2], timeout_us: i64) -> io::Result<c_int> {
        let timeout_us = timeout_us.max(0);
        let timeout = timespec {
            tv_sec: (timeout_us / 1_000_000) as _,
            tv_nsec: (timeout_us % 1_000_000 * 1_000) as _,
        };
        // SAFETY: the arguments are those of epoll_pwait2(2): room for as many events as told, a time, and no signal
        // mask; all live until the call returned. The C library's function of that name is newer than the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as c_int,
                &raw const timeout,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        check(result as c_int)
    }

    fn wait_by_milliseconds(&self, events: &mut [epoll_event; 2], timeout_us: i64) -> io::Result<c_int> {
        let timeout_ms = timeout_us.max(0).saturating_add(999) / 1_000;
        let timeout_ms = c_int::try_from(timeout_ms).unwrap_or(c_int::MAX);
        // SAFETY: there is room for as many events as told, until the call returned.
        check(unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as c_int, timeout_ms)
        })
    }
}

#[cfg(test)]
mod tests;

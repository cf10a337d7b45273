//! Messages that our own client never sends.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use std::os::fd::OwnedFd;
use std::path::Path;

use common::{Kernel, settled};
use proptest::prelude::*;
use relobox_simkernel::limits;
use relobox_simkernel::protocol::{
    AfterInit, AreaRequest, Export, Load, LoadArea, ParamTable, Protection, Reply, Request, View,
};
use relobox_simkernel::wire::{Bytes, decode, encode};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

/// A connection that sends raw bytes.
fn raw(socket: &Path) -> OwnedFd {
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::connect(&fd, &SocketAddrUnix::new(socket).unwrap()).unwrap();
    fd
}

/// Sends a message. Returns the answer, or nothing if the connection is closed.
fn exchange(fd: &OwnedFd, message: &[u8]) -> Option<Reply> {
    rustix::net::send(fd, message, SendFlags::NOSIGNAL).ok()?;
    let mut buffer = vec![0; limits::MESSAGE];
    match rustix::net::recv(fd, &mut buffer[..], RecvFlags::empty()) {
        Ok((_, 0)) | Err(_) => None,
        Ok((_, len)) => Some(decode(&buffer[..len]).unwrap()),
    }
}

fn refused(reply: Option<Reply>) -> bool {
    matches!(reply, Some(Reply::Refused { .. }))
}

#[test]
fn what_cannot_be_read_is_answered_and_what_is_too_long_is_not() {
    let kernel = Kernel::start();
    let fd = raw(&kernel.socket);
    for message in [&[0u8][..], &[1], &[1, 200], &[2, 0, 0], &[1, 0, 9], &[1, 9, 0], &[1, 2, 255, 255, 255, 255]] {
        assert!(refused(exchange(&fd, message)), "{message:?}");
    }
    // A vector that claims more items than the message has.
    let mut lying = encode(&Request::Allocate { areas: vec![AreaRequest { size: 1, align: 1 }] });
    lying[2..6].copy_from_slice(&16u32.to_le_bytes());
    assert!(refused(exchange(&fd, &lying)));
    // The longest allowed message is read. One byte more ends the connection.
    assert!(refused(exchange(&fd, &vec![0xff; limits::MESSAGE])));
    assert_eq!(exchange(&fd, &vec![1; limits::MESSAGE + 1]), None);
    // An empty message counts as the end of the connection.
    let fd = raw(&kernel.socket);
    assert_eq!(exchange(&fd, &[]), None);
    assert_eq!(kernel.client().list().unwrap().allocated, 0);
}

#[test]
fn who_never_reads_is_disconnected() {
    let kernel = Kernel::start();
    let fd = raw(&kernel.socket);
    let allocate = encode(&Request::Allocate { areas: vec![AreaRequest { size: 4096, align: 1 }] });
    assert!(matches!(exchange(&fd, &allocate), Some(Reply::Areas { .. })));
    let request = encode(&Request::Snapshot { view: View::Listing });
    while rustix::net::send(&fd, &request, SendFlags::NOSIGNAL).is_ok() {}
    settled(&mut kernel.client(), 0);
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0x4000_0000..0x8000_0000u64, Just(u64::MAX), Just(0)]
}

fn protection() -> impl Strategy<Value = Protection> {
    // The area is not executable. It does not matter that its contents are not code.
    prop_oneof![Just(Protection::ReadWrite), Just(Protection::ReadOnly)]
}

fn load() -> impl Strategy<Value = Load> {
    let area = (address(), prop_oneof![Just(AfterInit::Keep), Just(AfterInit::Free), Just(AfterInit::ReadOnly)]);
    let export = (".{0,8}", address(), any::<bool>());
    (
        ".{0,70}",
        prop::collection::vec(area, 0..4),
        prop::option::of(address()),
        prop::option::of(address()),
        prop::collection::vec(export, 0..4),
        prop::collection::vec(".{0,8}", 0..3),
        prop::option::of((address(), any::<u64>())),
        ".{0,40}",
    )
        .prop_map(|(name, areas, init, exit, exports, uses, params, args)| Load {
            name,
            areas: areas.into_iter().map(|(address, after_init)| LoadArea { address, after_init }).collect(),
            init,
            exit,
            exports: exports.into_iter().map(|(name, address, gpl)| Export { name, address, gpl }).collect(),
            uses,
            params: params.map(|(address, count)| ParamTable { address, count }),
            args,
        })
}

fn request() -> impl Strategy<Value = Request> {
    let area = (prop_oneof![any::<u64>(), 0..20_000u64], prop_oneof![any::<u64>(), (0..13u32).prop_map(|n| 1 << n)]);
    prop_oneof![
        any::<bool>().prop_map(|log| Request::Snapshot { view: if log { View::Log } else { View::Listing } }),
        any::<u64>().prop_map(|offset| Request::Read { offset }),
        prop::collection::vec(area, 0..5).prop_map(|areas| Request::Allocate {
            areas: areas.into_iter().map(|(size, align)| AreaRequest { size, align }).collect()
        }),
        (address(), prop::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(address, bytes)| Request::Put { address, bytes: Bytes(bytes) }),
        (address(), protection()).prop_map(|(address, protection)| Request::Protect { address, protection }),
        address().prop_map(|address| Request::Call { address }),
        address().prop_map(|address| Request::Release { address }),
        load().prop_map(|load| Request::Load { load }),
        ".{0,60}".prop_map(|name| Request::Remove { name }),
    ]
}

#[test]
fn requests_round_trip() {
    proptest!(|(request in request())| {
        let bytes = encode(&request);
        prop_assert_eq!(decode::<Request>(&bytes).unwrap(), request);
        // Cut at any byte, the message is refused.
        for len in 0..bytes.len() {
            prop_assert!(decode::<Request>(&bytes[..len]).is_err());
        }
    });
}

#[test]
fn no_sequence_of_nonsense_ends_the_kernel() {
    let kernel = Kernel::start();
    let mut watcher = kernel.client();
    proptest!(ProptestConfig::with_cases(200), |(
        requests in prop::collection::vec((request(), any::<prop::sample::Index>(), any::<Option<u8>>()), 1..12)
    )| {
        let fd = raw(&kernel.socket);
        for (request, at, poison) in requests {
            let mut message = encode(&request);
            // Some messages are damaged. A tag of power off or of executable protection would be a valid request.
            if let Some(poison) = poison {
                let at = 6 + at.index(message.len());
                if let Some(byte) = message.get_mut(at) {
                    *byte = poison;
                }
                if matches!(decode::<Request>(&message), Ok(Request::Protect { protection: Protection::ReadExecute, .. })) {
                    continue;
                }
            }
            prop_assert!(exchange(&fd, &message).is_some());
        }
    });
    settled(&mut watcher, 0);
}

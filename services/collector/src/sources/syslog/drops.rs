//! What the kernel dropped because a socket's buffer was full: it came faster than we read, and nobody else counts it.

use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt as _;

/// Linux' tables of UDP sockets, of this network namespace.
const TABLES: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];
/// Columns of a line in them.
const INODE: usize = 9;
const DROPS: usize = 12;

/// Counts the datagrams that the kernel drops at one socket.
pub(super) struct Drops {
    socket: RawFd,
    told: u64,
}

impl Drops {
    /// What `socket` drops from now on. It must outlive what is answered here.
    pub(super) fn of(socket: &impl AsRawFd) -> Self {
        let socket = socket.as_raw_fd();
        Drops { socket, told: dropped(socket).unwrap_or(0) }
    }

    /// How many were dropped since the last call; 0 where the system does not say.
    pub(super) fn more(&mut self) -> u64 {
        let Some(all) = dropped(self.socket) else { return 0 };
        let more = all.saturating_sub(self.told);
        self.told = all;
        more
    }
}

fn dropped(socket: RawFd) -> Option<u64> {
    let inode = std::fs::metadata(format!("/proc/self/fd/{socket}")).ok()?.ino();
    TABLES.iter().find_map(|table| listed(&std::fs::read_to_string(table).ok()?, inode))
}

/// The drops of the socket with that inode in the text of a table.
fn listed(table: &str, inode: u64) -> Option<u64> {
    let mut lines = table.lines().skip(1).map(|line| line.split_ascii_whitespace());
    lines.find_map(|mut columns| {
        let found = columns.clone().nth(INODE)?.parse::<u64>().ok()? == inode;
        found.then(|| columns.nth(DROPS)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
         \x20 36: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17\n\
         \x20 40: 0100007F:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0\n";

    #[test]
    fn a_socket_is_found_by_its_inode() {
        for (inode, drops) in [(4711, Some(17)), (4712, Some(0)), (4713, None), (17, None)] {
            assert_eq!(listed(TABLE, inode), drops, "{inode}");
        }
        assert_eq!(listed("", 4711), None);
        assert_eq!(listed("a\nb c\n", 4711), None);
    }

    #[test]
    fn what_overflows_a_socket_is_counted_once() {
        let (ours, theirs) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let to = ours.local_addr().unwrap();
        let mut drops = Drops::of(&ours);
        assert_eq!(drops.more(), 0);
        // More than any buffer that a socket has unless it asks for another.
        for _ in 0..1_000 {
            theirs.send_to(&[0; 32 * 1024], to).unwrap();
        }
        assert!(drops.more() > 0);
        assert_eq!(drops.more(), 0);
    }
}

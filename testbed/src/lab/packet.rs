//! Just enough IPv4, TCP and ICMP to refuse a packet and to follow connections. Pure; anything that is not understood is
//! answered with nothing.

use std::net::Ipv4Addr;

const TCP: u8 = 6;
const ICMP: u8 = 1;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// ICMP "destination unreachable" codes that the switch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// There is no link.
    NoRoute = 0,
    /// A partition refuses.
    Prohibited = 13,
}

/// The IPv4 packet's ends.
pub fn ends(packet: &[u8]) -> Option<([u8; 4], [u8; 4])> {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return None;
    }
    Some((packet[12..16].try_into().ok()?, packet[16..20].try_into().ok()?))
}

/// A TCP segment's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Sender's address and port.
    pub from: ([u8; 4], u16),
    /// Receiver's address and port.
    pub to: ([u8; 4], u16),
    /// Number of the first byte.
    pub sequence: u32,
    /// Next byte expected, if the segment says so.
    pub acknowledges: Option<u32>,
    /// Bytes it takes in the sequence, SYN and FIN counted.
    pub length: u32,
    /// It resets.
    pub reset: bool,
}

/// Reads the TCP segment in a packet; fragments are none.
pub fn segment(packet: &[u8]) -> Option<Segment> {
    let (from, to) = ends(packet)?;
    let header = usize::from(packet[0] & 15) * 4;
    let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff;
    let tcp = packet.get(header..)?;
    if packet[9] != TCP || fragment != 0 || tcp.len() < 20 {
        return None;
    }
    let flags = tcp[13];
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let data = total.checked_sub(header + usize::from(tcp[12] >> 4) * 4)?;
    let extra = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    Some(Segment {
        from: (from, u16::from_be_bytes([tcp[0], tcp[1]])),
        to: (to, u16::from_be_bytes([tcp[2], tcp[3]])),
        sequence: u32::from_be_bytes(tcp[4..8].try_into().ok()?),
        acknowledges: (flags & ACK != 0).then_some(u32::from_be_bytes(tcp[8..12].try_into().ok()?)),
        length: u32::try_from(data).ok()? + extra,
        reset: flags & RST != 0,
    })
}

/// What the sender of `packet` is told when it is refused: RST to TCP, ICMP to everything else, nothing to a reset or to
/// an ICMP error.
pub fn refusal(packet: &[u8], router: Ipv4Addr) -> Option<Vec<u8>> {
    match segment(packet) {
        Some(segment) if segment.reset => None,
        Some(segment) => Some(match segment.acknowledges {
            Some(next) => reset(segment.to, segment.from, next, None),
            None => reset(segment.to, segment.from, 0, Some(segment.sequence.wrapping_add(segment.length))),
        }),
        None => unreachable(packet, router, Unreachable::Prohibited),
    }
}

/// A RST from one end to the other.
pub fn reset(from: ([u8; 4], u16), to: ([u8; 4], u16), sequence: u32, acknowledges: Option<u32>) -> Vec<u8> {
    let mut packet = ip_header(TCP, from.0, to.0, 20);
    let mut tcp = [0u8; 20];
    tcp[0..2].copy_from_slice(&from.1.to_be_bytes());
    tcp[2..4].copy_from_slice(&to.1.to_be_bytes());
    tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
    tcp[8..12].copy_from_slice(&acknowledges.unwrap_or(0).to_be_bytes());
    tcp[12] = 5 << 4;
    tcp[13] = RST | if acknowledges.is_some() { ACK } else { 0 };
    let pseudo = [&from.0[..], &to.0[..], &[0, TCP, 0, 20]].concat();
    let sum = checksum(&[&pseudo, &tcp]);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(&tcp);
    packet
}

/// An ICMP error about `packet`, to its sender; none about an ICMP error, a fragment, or what is no packet.
pub fn unreachable(packet: &[u8], router: Ipv4Addr, code: Unreachable) -> Option<Vec<u8>> {
    let (from, _) = ends(packet)?;
    let header = usize::from(packet[0] & 15) * 4;
    let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff;
    let about_error = packet[9] == ICMP && packet.get(header).is_none_or(|kind| ![0, 8].contains(kind));
    if about_error || fragment != 0 {
        return None;
    }
    let quoted = &packet[..packet.len().min(header + 8)];
    let mut icmp = vec![3, code as u8, 0, 0, 0, 0, 0, 0];
    icmp.extend_from_slice(quoted);
    let sum = checksum(&[&icmp]);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut answer = ip_header(ICMP, router.octets(), from, icmp.len());
    answer.extend_from_slice(&icmp);
    Some(answer)
}

fn ip_header(protocol: u8, from: [u8; 4], to: [u8; 4], payload: usize) -> Vec<u8> {
    let mut header = vec![0u8; 20];
    header[0] = 0x45;
    let total = u16::try_from(20 + payload).unwrap_or(u16::MAX);
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&from);
    header[16..20].copy_from_slice(&to);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071) over parts, each of even length but the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn() -> Vec<u8> {
        let mut packet = reset(([10, 64, 1, 1], 5000), ([10, 64, 2, 10], 443), 77, None);
        packet[33] = SYN;
        packet
    }

    #[test]
    fn a_refused_syn_is_answered_by_a_reset_that_the_sender_accepts() {
        let answer = refusal(&syn(), Ipv4Addr::new(10, 64, 1, 254)).unwrap();
        let seen = segment(&answer).unwrap();
        assert_eq!((seen.from, seen.to), (([10, 64, 2, 10], 443), ([10, 64, 1, 1], 5000)));
        assert!(seen.reset);
        assert_eq!(seen.acknowledges, Some(78));
    }

    #[test]
    fn a_reset_is_never_answered() {
        let packet = reset(([10, 64, 1, 1], 1), ([10, 64, 2, 1], 2), 0, None);
        assert_eq!(refusal(&packet, Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn an_icmp_error_is_never_answered_and_a_ping_is() {
        let error = unreachable(&syn(), Ipv4Addr::LOCALHOST, Unreachable::NoRoute).unwrap();
        assert_eq!(unreachable(&error, Ipv4Addr::LOCALHOST, Unreachable::NoRoute), None);
        let mut ping = ip_header(ICMP, [10, 64, 1, 1], [10, 64, 2, 1], 8);
        ping.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0]);
        assert!(refusal(&ping, Ipv4Addr::LOCALHOST).is_some());
    }

    #[test]
    fn checksums_of_crafted_packets_verify() {
        let packet = reset(([10, 64, 1, 1], 1), ([10, 64, 2, 1], 2), 3, Some(4));
        assert_eq!(checksum(&[&packet[..20]]), 0);
        let pseudo = [&packet[12..20], &[0, TCP, 0, 20]].concat();
        assert_eq!(checksum(&[&pseudo, &packet[20..]]), 0);
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let whole = syn();
        for length in 0..whole.len() {
            assert_eq!(segment(&whole[..length]), None);
        }
    }
}

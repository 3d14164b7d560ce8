// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The state of all files that a root disk is made of, as the host's file system tells it: where
/// it is the same as before, so is every byte. Cheap, since no file is read.
struct ContentState {
  /// SHA-256 over names, sizes, times and identities.
  let digest: String
  /// Whether the latest change is old enough that another would show in a file's times.
  let isSettled: Bool

  /// The resolution that a file system's times may have.
  private static var settling: UInt64 { 2_000_000_000 }

  init(_ contents: RootContents, maker: String) throws(HostError) {
    let digest = ContentDigest()
    var latest: UInt64 = 0
    func add(_ facts: FileFacts) {
      let numbers = [
        UInt64(facts.permissions), facts.size, facts.modified, facts.changed, facts.device,
        facts.inode, UInt64(facts.linkCount),
      ]
      // SAFETY: the array's own bytes, for the length of the call.
      unsafe numbers.withUnsafeBytes { bytes in unsafe digest.add(bytes) }
      latest = max(latest, facts.modified, facts.changed)
    }
    digest.add("quire content state 1")
    add(try FileFacts(maker))
    for path in contents.paths {
      digest.add(path)
      switch contents.entries[path] {
      case .folder(let permissions): digest.add("folder \(permissions)")
      case .file(let content):
        digest.add("file \(content.time) \(content.path)")
        add(content.facts)
      case .link(let target): digest.add("link \(target)")
      case .text(let text): digest.add("text \(text)")
      case nil: break
      }
    }
    self.digest = digest.finish()
    let now = HostClock.nanoseconds
    isSettled = latest <= now - min(now, Self.settling)
  }
}

/// The host's clock, for what is on the host only; no result depends on it.
enum HostClock {
  static var nanoseconds: UInt64 {
    var time = timespec()
    // SAFETY: the structure lives for the length of the call.
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

// SPDX-License-Identifier: Apache-2.0

import Glibc
import MemoryEvents

/// Files on their way out of the machine, which become files of the host.
///
/// The machine says only which names there are below a wish: what leads out of it is refused.
final class SavedFiles {
  private let saves: [(guest: String, host: String)]
  private var ring = RingReader.saves
  /// Bytes of a record that has not come whole.
  private var rest: [UInt8] = []
  private var wish = -1
  private var file: Int32 = -1
  private var fileName = ""
  /// What went wrong, in order: what it was and why.
  private(set) var failures: [(path: String, why: String)] = []
  /// Wishes that were served to their end.
  private(set) var doneCount = 0

  init(_ saves: [(guest: String, host: String)]) { self.saves = saves }

  deinit { closeFile() }

  /// Takes what there is; says whether there was anything.
  func drain(from memory: GuestMemory) throws(ToolFailure) -> Bool {
    let head = try ring.head(in: memory)
    if head == ring.tail { return false }
    // SAFETY: the part is only read, within its length.
    try unsafe ring.read(to: head, from: memory) { (part) throws(ToolFailure) in
      rest += unsafe Array(part)
    }
    try takeRecords()
    return true
  }

  private func takeRecords() throws(ToolFailure) {
    var place = 0
    let header = SaveRecord.headerBytes
    while rest.count - place >= header {
      let count = number(at: place + 8, bytes: 8)
      guard let kind = SaveRecord.Kind(rawValue: UInt32(number(at: place, bytes: 4))),
        count <= UInt64(SaveRecord.largestCount)
      else {
        throw ToolFailure(
          .failed, "the kernel broke the files that it saved", "run it with --verbose")
      }
      let end = place + header + Int(count)
      if end > rest.count { break }
      let value = UInt32(number(at: place + 4, bytes: 4))
      take(kind, value, Array(rest[place + header..<end]))
      place = end
    }
    rest.removeFirst(place)
  }

  private func number(at place: Int, bytes: Int) -> UInt64 {
    rest[place..<place + bytes].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func take(_ kind: SaveRecord.Kind, _ number: UInt32, _ bytes: [UInt8]) {
    if kind == .begin {
      wish = Int(number) < saves.count ? Int(number) : -1
      return
    }
    guard wish >= 0 else { return }
    if kind != .data { closeFile() }
    do throws(HostError) {
      switch kind {
      case .folder: try makeFolder(try target(bytes), permissions: number)
      case .file: try openFile(try target(bytes), permissions: number, isTop: bytes.isEmpty)
      case .data: try write(bytes)
      case .link: try makeLink(bytes)
      case .failure: fail(guestName(bytes), HostError(Int32(truncatingIfNeeded: number)))
      case .end:
        doneCount += 1
        wish = -1
      case .begin: break
      }
    } catch {
      fail(kind == .data ? fileName : hostName(bytes), error)
      closeFile()
    }
  }

  private func fail(_ path: String, _ error: HostError) { failures.append((path, error.text)) }

  private func guestName(_ bytes: [UInt8]) -> String {
    let name = String(decoding: bytes, as: UTF8.self)
    return name.isEmpty ? saves[wish].guest : "\(saves[wish].guest)/\(name)"
  }

  private func hostName(_ bytes: [UInt8]) -> String {
    let name = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    return name.isEmpty ? saves[wish].host : "\(saves[wish].host)/\(name)"
  }

  /// The path on the host of what lies below the wish.
  ///
  /// - Throws: EINVAL for a name that leads elsewhere, EILSEQ for one that is no text.
  private func target(_ bytes: [UInt8]) throws(HostError) -> String {
    if bytes.isEmpty { return saves[wish].host }
    guard !bytes.contains(0) else { throw HostError(EINVAL) }
    guard let name = String(validating: bytes, as: UTF8.self) else { throw HostError(EILSEQ) }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    for part in parts where part.isEmpty || part == "." || part == ".." {
      throw HostError(EINVAL)
    }
    return "\(saves[wish].host)/\(name)"
  }

  private func makeFolder(_ path: String, permissions: UInt32) throws(HostError) {
    // SAFETY: the path is terminated.
    if unsafe mkdir(path, 0o700) != 0 {
      guard errno == EEXIST else { throw HostError(errno) }
      guard try FileFacts(path, links: .tell).kind == .folder else { throw HostError(ENOTDIR) }
    }
    // SAFETY: as above.
    if unsafe chmod(path, permissions & 0o777 | 0o700) != 0 { throw HostError(errno) }
  }

  private func openFile(
    _ path: String, permissions: UInt32, isTop: Bool
  ) throws(HostError) {
    fileName = path
    // A link of the host is followed only where the user named it.
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | (isTop ? 0 : O_NOFOLLOW)
    // SAFETY: the path is terminated.
    file = unsafe open(path, flags, permissions & 0o777)
    if file < 0 { throw HostError(errno) }
  }

  private func write(_ bytes: [UInt8]) throws(HostError) {
    if file < 0 { return }
    let file = file
    // SAFETY: the array's own bytes, for the length of the call.
    let failure: HostError? = unsafe bytes.withUnsafeBytes { bytes in
      do throws(HostError) { try unsafe writeAll(bytes, to: file) } catch { return error }
      return nil
    }
    if let failure { throw failure }
  }

  private func makeLink(_ bytes: [UInt8]) throws(HostError) {
    guard let zero = bytes.firstIndex(of: 0) else { throw HostError(EINVAL) }
    let path = try target(Array(bytes[..<zero]))
    let text = String(decoding: bytes[(zero + 1)...], as: UTF8.self)
    if (try? FileFacts(path, links: .tell))?.kind == .link {
      // SAFETY: the path is terminated.
      unsafe unlink(path)
    }
    // SAFETY: both are terminated.
    if unsafe symlink(text, path) != 0 { throw HostError(errno) }
  }

  private func closeFile() {
    if file >= 0 { close(file) }
    file = -1
  }
}

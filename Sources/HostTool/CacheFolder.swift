// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// Where finished root disks are kept: `${XDG_CACHE_HOME:-~/.cache}/quire/disks`.
///
/// An entry is a folder that appears whole, by one rename. What is being made lies in a folder of
/// its own under a lock that the host drops when the maker ends, however it ends, so that the next
/// run can tell what was left behind and removes it.
public struct CacheFolder: Sendable {
  public let path: String

  public init(environment: [String: String]) {
    if let given = environment["XDG_CACHE_HOME"], given.hasPrefix("/") {
      path = "\(given)/quire"
    } else if let home = environment["HOME"], home.hasPrefix("/") {
      path = "\(home)/.cache/quire"
    } else {
      path = "/tmp/quire-cache-\(getuid())"
    }
  }

  init(path: String) { self.path = path }

  var disks: String { "\(path)/disks" }
  /// Digests by the state of the files that they were worked out from.
  private var states: String { "\(path)/states" }
  /// Disks that stay when another is made.
  private static var diskCount: Int { 24 }
  private var workshops: String { "\(path)/making" }

  /// Removes every finished disk and what was left behind.
  ///
  /// - Returns: the number of disks that there were.
  public func clean() throws(ToolFailure) -> Int {
    do throws(HostError) {
      removeAbandoned()
      try? HostFolder.remove(failures)
      guard let names = try? HostFolder.names(in: disks) else { return 0 }
      for name in names { try HostFolder.remove("\(disks)/\(name)") }
      if (try? FileFacts(states)) != nil { try HostFolder.remove(states) }
      return names.count
    } catch {
      throw failure(error)
    }
  }

  /// Makes an entry, unless it exists: `make` fills an empty folder, which is renamed at the end.
  func entry(
    _ name: String, make: (_ folder: String) throws(ToolFailure) -> Void
  ) throws(ToolFailure) -> String {
    let place = "\(disks)/\(name)"
    if (try? FileFacts(place)) != nil {
      // SAFETY: the path is terminated.
      _ = unsafe touch_file(place)
      return place
    }
    let workshop = try Workshop(in: try makeWorkshops())
    defer { workshop.remove() }
    trim(disks, to: Self.diskCount)
    try make(workshop.folder)
    do throws(HostError) {
      try HostFolder.rename(workshop.folder, to: place)
    } catch {
      // Another run was quicker; its entry has the same content.
      guard error.number == ENOTEMPTY || error.number == EEXIST else { throw failure(error) }
    }
    return place
  }

  /// A digest that was worked out before for the same state of the host's files, or that `make`
  /// works out now.
  ///
  /// A state that is too fresh to tell a second change from the first is not remembered.
  func remembered(
    _ state: ContentState, make: () throws(ToolFailure) -> String
  ) throws(ToolFailure) -> String {
    let place = "\(states)/\(state.digest)"
    if let text = try? HostFile.content(of: place), text.count == 64 {
      // SAFETY: the path is terminated.
      _ = unsafe touch_file(place)
      return String(decoding: text, as: UTF8.self)
    }
    let result = try make()
    if state.isSettled { write(result, to: place) }
    return result
  }

  /// Writes a note whole or not at all. Without it the next run only works longer.
  private func write(_ text: String, to place: String) {
    let fresh = "\(place).\(getpid())"
    do throws(HostError) {
      try HostFolder.make(states)
      trim(states, to: 1000)
      try HostFile.write(Array(text.utf8), to: fresh)
      try HostFolder.rename(fresh, to: place)
    } catch {
      try? HostFolder.remove(fresh)
    }
  }

  /// Removes what was used longest ago until few entries are left, none that was used within the
  /// hour.
  private func trim(_ folder: String, to count: Int) {
    guard let names = try? HostFolder.names(in: folder), names.count > count else { return }
    let now = HostClock.nanoseconds
    let used = names.compactMap { name in
      (try? FileFacts("\(folder)/\(name)", links: .tell)).map { ($0.modified, name) }
    }
    for (time, name) in used.sorted(by: { $0.0 < $1.0 }).prefix(names.count - count)
    where time < now - min(now, 3_600_000_000_000) {
      try? HostFolder.remove("\(folder)/\(name)")
    }
  }

  private func makeWorkshops() throws(ToolFailure) -> String {
    do throws(HostError) {
      try HostFolder.make(disks)
      try HostFolder.make(workshops)
    } catch {
      throw failure(error)
    }
    removeAbandoned()
    return workshops
  }

  private func failure(_ error: HostError) -> ToolFailure {
    ToolFailure(.failed, "\(path): \(error.text)", "set XDG_CACHE_HOME to a folder with room")
  }

  /// Removes workshops whose makers have ended.
  private func removeAbandoned() {
    for name in (try? HostFolder.names(in: workshops)) ?? [] where name.hasSuffix(".lock") {
      let lock = "\(workshops)/\(name)"
      guard let file = try? HostFile(lock, O_RDWR | O_CLOEXEC),
        flock(file.descriptor, LOCK_EX | LOCK_NB) == 0
      else { continue }
      Workshop.remove(named: String(name.dropLast(5)), in: workshops)
    }
  }
}

/// A folder in which one entry is made, and its lock.
private final class Workshop {
  let folder: String
  private let parent: String
  private let name: String
  private let lock: HostFile

  init(in parent: String) throws(ToolFailure) {
    var clock = timespec()
    // SAFETY: the structure lives for the length of the call.
    unsafe clock_gettime(CLOCK_MONOTONIC, &clock)
    name = "\(getpid())-\(clock.tv_sec)\(clock.tv_nsec)"
    self.parent = parent
    folder = "\(parent)/\(name)"
    lock = try HostFile.locked("\(parent)/\(name).lock")
    _ = try attempting(folder, "set XDG_CACHE_HOME to a folder with room") {
      [folder] () throws(HostError) in try HostFolder.make(folder)
    }
  }

  func remove() { Self.remove(named: name, in: parent) }

  static func remove(named name: String, in parent: String) {
    try? HostFolder.remove("\(parent)/\(name)")
    try? HostFolder.remove("\(parent)/\(name).lock")
  }
}

extension HostFile {
  /// Makes a file that this process alone holds locked.
  fileprivate static func locked(_ path: String) throws(ToolFailure) -> HostFile {
    do throws(HostError) {
      let file = try HostFile(creating: path)
      flock(file.descriptor, LOCK_EX)
      return file
    } catch {
      throw ToolFailure(
        .failed, "\(path): \(error.text)", "set XDG_CACHE_HOME to a folder with room")
    }
  }
}

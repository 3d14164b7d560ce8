// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryUnits
import SimulatedMachine

/// A program that does whatever comes to its mind, and so do its children: memory, pipes, files,
/// sleeps, kills; it checks that its memory is its own.
struct RandomProgram {
  let seed: UInt64
  var depth = 0

  private static var pageCount: Int { 24 }

  func run(_ program: UserProgram) {
    var random = SeededGenerator(seed: seed &+ UInt64(depth) &* 977)
    let area = program.map(pageCount: Self.pageCount)
    var model = Array(repeating: 0 as UInt64, count: Self.pageCount)
    var children: [Int] = []
    let (reader, writer) = program.pipe()
    for _ in 0..<40 {
      let page = random.number(below: Self.pageCount)
      let place = area + UInt64(page) * 4096
      switch random.number(below: 16) {
      case 0...3:
        model[page] = random.next()
        program.store(model[page], at: place)
      case 4, 5:
        if program.load(UInt64.self, at: place) != model[page] { program.exit(99) }
      case 6:
        _ = program.call(.madvise, place, 4096, 4)
        model[page] = 0
      case 7: _ = program.sleep(nanoseconds: UInt64(random.number(below: 3_000_000)))
      case 8:
        guard program.write(writer, [UInt8(page)]) == 1 else { continue }
        if program.read(reader, 1) != [UInt8(page)] { program.exit(98) }
      case 9: readFile(program, random.number(below: 40_000))
      case 12: mapFile(program, random.number(below: 9))
      case 13:
        // Read-only and back: the next store is a fault that is resolved.
        _ = program.call(.mprotect, place, 4096, 1)
        if program.load(UInt64.self, at: place) != model[page] { program.exit(94) }
        guard program.call(.mprotect, place, 4096, 3) == 0 else {
          program.exit(UserProgram.withoutMemory)
        }
      case 14: talkToChild(program, UInt8(page))
      case 15: pauseChild(program, children)
      case 10:
        guard depth < 3, children.count < 3 else { continue }
        let child = RandomProgram(seed: random.next(), depth: depth + 1)
        let copy = model
        let number = program.fork { body in
          for (page, value) in copy.enumerated()
          where body.load(UInt64.self, at: area + UInt64(page) * 4096) != value {
            body.exit(97)
          }
          child.run(body)
        }
        if number > 0 { children.append(number) }
      default: program.program.work(nanoseconds: UInt64(random.number(below: 2_000_000)))
      }
    }
    end(program, children, &random)
  }

  /// Kills some of the children, waits for some, and leaves the others to themselves.
  private func end(
    _ program: UserProgram, _ children: [Int], _ random: inout SeededGenerator
  ) {
    for child in children {
      if random.oneIn(3) { _ = program.kill(child, .SIGKILL) }
      if random.oneIn(4) { continue }
      let status = program.wait(for: child).status
      let signal = UInt32(Signal.SIGKILL.number)
      if status == signal || status == 0 { continue }
      if status >> 8 != UserProgram.withoutMemory { program.exit(UInt64(status >> 8)) }
    }
    program.note(depth)
    if depth < 4, random.oneIn(3) {
      let next = RandomProgram(seed: random.next(), depth: depth + 1)
      _ = program.execute(RootImage.secondPath) { next.run($0) }
    }
    program.exit(0)
  }

  private func pauseChild(_ program: UserProgram, _ children: [Int]) {
    guard let child = children.last, program.kill(child, .SIGSTOP) == 0 else { return }
    _ = program.sleep(nanoseconds: 100_000)
    _ = program.kill(child, .SIGCONT)
  }

  /// Reads a private mapping of a file, and changes it.
  private func mapFile(_ program: UserProgram, _ page: Int) {
    let file = program.open("/text")
    if file == -Int(Errno.ENOMEM.rawValue) { return }
    let area = program.call(.mmap, 0, 4096, 3, 2, UInt64(file), UInt64(page) * 4096)
    program.close(file)
    if area < 0 { return }
    for offset in [0, 1234, 2999] {
      let place = UInt64(area + offset)
      let expected = UInt8((page * 4096 + offset) % 251)
      if program.load(UInt8.self, at: place) != expected { program.exit(93) }
      program.store(~expected, at: place)
      if program.load(UInt8.self, at: place) != ~expected { program.exit(92) }
    }
    if page % 2 == 0 { _ = program.call(.munmap, UInt64(area), 4096) }
  }

  /// A child sends more than a pipe holds, and a shared page.
  private func talkToChild(_ program: UserProgram, _ byte: UInt8) {
    guard depth < 3 else { return }
    let area = program.call(.mmap, 0, 4096, 3, 0x21, UInt64.max, 0)
    if area < 0 { return }
    let (reader, writer) = program.pipe()
    let bytes = Array(repeating: byte, count: 70_000)
    let child = program.fork { body in
      body.store(UInt64(byte), at: UInt64(area) + 8)
      body.close(reader)
      body.exit(body.write(writer, bytes) == bytes.count ? 0 : UserProgram.withoutMemory)
    }
    program.close(writer)
    var count = 0
    while let piece = program.read(reader, 20_000), !piece.isEmpty {
      if piece.contains(where: { $0 != byte }) { program.exit(91) }
      count += piece.count
    }
    program.close(reader)
    guard child > 0, program.wait(for: child).status == 0 else { return }
    if count != bytes.count { program.exit(90) }
    if program.load(UInt64.self, at: UInt64(area) + 8) != UInt64(byte) { program.exit(89) }
    _ = program.call(.munmap, UInt64(area), 4096)
  }

  private func readFile(_ program: UserProgram, _ offset: Int) {
    let file = program.open("/text")
    if file == -Int(Errno.ENOMEM.rawValue) { return }
    _ = program.call(.lseek, UInt64(file), UInt64(offset), 0)
    let bytes = program.read(file, 16) ?? []
    for (index, byte) in bytes.enumerated() where byte != UInt8((offset + index) % 251) {
      program.exit(96)
    }
    if bytes.count != min(16, 40_000 - offset) { program.exit(95) }
    program.close(file)
  }
}

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
      switch random.number(below: 12) {
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
        _ = program.write(writer, [UInt8(page)])
        if program.read(reader, 1) != [UInt8(page)] { program.exit(98) }
      case 9: readFile(program, random.number(below: 40_000))
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
      if status != 0 && status != signal { program.exit(UInt64(status >> 8)) }
    }
    program.note(depth)
    program.exit(0)
  }

  private func readFile(_ program: UserProgram, _ offset: Int) {
    let file = program.open("/text")
    _ = program.call(.lseek, UInt64(file), UInt64(offset), 0)
    let bytes = program.read(file, 16) ?? []
    for (index, byte) in bytes.enumerated() where byte != UInt8((offset + index) % 251) {
      program.exit(96)
    }
    if bytes.count != min(16, 40_000 - offset) { program.exit(95) }
    program.close(file)
  }
}

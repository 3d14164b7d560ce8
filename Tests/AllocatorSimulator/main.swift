// SPDX-License-Identifier: Apache-2.0
// Random operations on all allocators: simulate OPERATIONS [SEED]. Prints what it did; the status
// is 1 if something did not hold.

import AllocatorSimulation
import Foundation
import KernelHeap

let wanted = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 0 : 0
let first = CommandLine.arguments.count > 2 ? UInt64(CommandLine.arguments[2]) ?? 0 : 1
guard wanted > 0 else {
  print("usage: simulate OPERATIONS [SEED]")
  exit(64)
}

/// One machine's life: a seed and a design of the heap; then everything is given back.
func live(seed: UInt64, design: HeapDesign, operations: Int) throws -> (done: Int, switches: Int) {
  var simulation = try AllocatorSimulation(
    frameCount: 4096, cpuCount: 4, seed: seed, design: design)
  defer { simulation.tearDown() }
  var switches = 0
  while simulation.operationCount < operations {
    switches += try simulation.runInterleaved(5_000)
  }
  try simulation.finish()
  return (simulation.operationCount, switches)
}

let designs: [HeapDesign] = [.slub, .slab, .slob]
let start = Date()
var (done, switches, seed) = (0, 0, first)
while done < wanted {
  let design = designs[Int(seed % 3)]
  do {
    let life = try live(seed: seed, design: design, operations: min(wanted - done, 1_000_000))
    done += life.done
    switches += life.switches
  } catch {
    print("not held: \(error), seed \(seed)")
    exit(1)
  }
  let findings = Findings.take()
  if !findings.isEmpty {
    for finding in findings { print("not held: \(finding), seed \(seed)") }
    exit(1)
  }
  seed += 1
}
let seconds = Date().timeIntervalSince(start)
print(
  "\(done) operations, \(switches) changes of the CPU, seeds \(first) to \(seed - 1),",
  "\(Int(Double(done) / max(seconds, 0.001))) a second")

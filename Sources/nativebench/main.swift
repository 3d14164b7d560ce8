// SPDX-License-Identifier: Apache-2.0

// nativebench quire|quire-slab|quire-slob|system ROW ROUNDS
//
// Measures one row, and prints the nanoseconds an operation takes, in hundredths: the smallest of
// the rounds and their median; for `resident` thousandths. Who counts instructions runs it with
// two numbers of rounds, and divides the difference by that of the operations, the third number.

import CHostThread
import MemoryUnits

/// What can be measured.
enum Row {
  case order0, order9, churn90, bytes64, objects10000, mixed, remoteFree, resident

  var name: StaticString {
    switch self {
    case .order0: "order-0"
    case .order9: "order-9"
    case .churn90: "churn-90"
    case .bytes64: "bytes-64"
    case .objects10000: "objects-10000"
    case .mixed: "mixed"
    case .remoteFree: "remote-free"
    case .resident: "resident"
    }
  }

  static var all: [Row] {
    [.order0, .order9, .churn90, .bytes64, .objects10000, .mixed, .remoteFree, .resident]
  }
}

/// Prepares a row, and gives the work of one round with the operations in it.
func round<Heap: Allocator>(
  _ row: Row, _ heap: Heap
) -> (operationCount: Int, body: () -> Void)? {
  let work = Workload(heap: heap)
  var numbers = Sequence32(seed: 1)
  switch row {
  case .order0: return (10_000, { work.pagePairs(.zero, 10_000) })
  case .order9: return (10_000, { work.pagePairs(Order(9), 10_000) })
  case .bytes64: return (10_000, { work.pairs(64, 10_000) })
  case .churn90:
    let pages = Table(work.filled())
    let places = Table((0..<200_000).map { _ in numbers.next(below: pages.count) })
    var first = 0
    return (
      20_000,
      {
        work.churn(pages, places, from: first, 10_000)
        first = (first + 10_000) % places.count
      }
    )
  case .objects10000:
    let places = Table(numbers.order(of: 10_000))
    let objects = Table([UInt](repeating: 0, count: 10_000))
    return (10_000, { work.bulk(64, places, objects) })
  case .mixed:
    let objects = Table((0..<10_000).map { _ in heap.take(8 + numbers.next(below: 4089)) })
    let places = Table((0..<10_000).map { _ in numbers.next(below: 10_000) })
    let sizes = Table((0..<10_000).map { _ in 8 + numbers.next(below: 4089) })
    return (10_000, { work.replace(places, sizes, objects) })
  case .remoteFree, .resident: return nil
  }
}

func measure<Heap: Allocator>(_ row: Row, _ roundCount: Int, _ heap: Heap) {
  if row == .resident {
    let share = Workload(heap: heap).residentShare()
    print("resident \(share) \(share) 1")
    return
  }
  var times: [UInt64] = []
  var operationCount = RemoteFree<Heap>.operationCount
  if let (count, body) = round(row, heap) {
    operationCount = count
    times = (0..<roundCount).map { _ in
      let start = host_nanoseconds()
      body()
      return host_nanoseconds() - start
    }
  } else {
    times = RemoteFree.rounds(heap, byteCount: 64, roundCount: roundCount)
  }
  let sorted = times.sorted().map { $0 * 100 / UInt64(operationCount) }
  print("\(row.name) \(sorted[0]) \(sorted[sorted.count / 2]) \(operationCount)")
}

/// Whether a word of the command line is this one.
func isWord(_ place: Int32, _ text: StaticString) -> Bool {
  // SAFETY: the words live as long as the process, each with its end mark, and so do literals.
  guard let word = unsafe program_word(place) else { return false }
  let bytes = unsafe text.utf8Start
  return unsafe strcmp(word, bytes) == 0
}

// SAFETY: as above.
let rounds = unsafe Int(program_word(3).map { unsafe atoi($0) } ?? 0)
guard rounds > 0, let row = Row.all.first(where: { isWord(2, $0.name) }) else {
  preconditionFailure("nativebench quire|quire-slab|quire-slob|system ROW ROUNDS")
}
if isWord(1, "system"), let heap = SystemAllocator() {
  measure(row, rounds, heap)
} else if isWord(1, "quire"), let heap = QuireAllocator() {
  measure(row, rounds, heap)
} else if isWord(1, "quire-slab"), let heap = QuireAllocator(.slab) {
  measure(row, rounds, heap)
} else if isWord(1, "quire-slob"), let heap = QuireAllocator(.slob) {
  measure(row, rounds, heap)
} else {
  preconditionFailure("no such allocator, or no memory for it")
}

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  enum { limit = 100000 };
  char *composite = calloc(limit + 1, 1);
  int count = 0;
  for (int i = 2; i <= limit; i++) {
    if (composite[i]) continue;
    count++;
    for (long j = (long)i * i; j <= limit; j += i) composite[j] = 1;
  }
  printf("%d primes below %d\n", count, limit);
  free(composite);
  return 0;
}

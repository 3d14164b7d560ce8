# SPDX-License-Identifier: Apache-2.0
# A C file is compiled, assembled and linked, and the program runs. $1: the file.
set -e
gcc -O1 -S -o primes.s "$1"
gcc -c -o primes.o primes.s
gcc -o primes primes.o
./primes
gcc -O0 -g -o whole "$1"
./whole | tail -n 1

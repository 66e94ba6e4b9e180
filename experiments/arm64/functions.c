// Functions that arm64's compact layout holds, to run beside a model. How they were compiled is in README.md.

// The greatest common divisor, by subtraction.
unsigned gcd(unsigned a, unsigned b) {
  while (b) {
    const unsigned difference = a > b ? a - b : b - a;
    a = a < b ? a : b;
    b = difference;
  }
  return a;
}

// The same, by division.
unsigned euclid(unsigned a, unsigned b) {
  while (b) {
    const unsigned rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

unsigned factorial(unsigned n) {
  unsigned product = 1;
  while (n > 1) product *= n--;
  return product;
}

unsigned fibonacci(unsigned n) {
  unsigned a = 0, b = 1;
  while (n--) {
    const unsigned next = a + b;
    a = b;
    b = next;
  }
  return a;
}

// Steps until 1.
unsigned collatz(unsigned n) {
  unsigned steps = 0;
  for (; n != 1; ++steps) n = n % 2 ? 3 * n + 1 : n / 2;
  return steps;
}

// The root, rounded down.
unsigned root(unsigned n) {
  unsigned result = 0;
  for (unsigned bit = 1u << 14; bit; bit >>= 1)
    if ((result + bit) * (result + bit) <= n) result += bit;
  return result;
}

int sum(const int* values, int count) {
  int all = 0;
  for (int i = 0; i < count; ++i) all += values[i];
  return all;
}

int largest(const int* values, int count) {
  int most = values[0];
  for (int i = 1; i < count; ++i)
    if (values[i] > most) most = values[i];
  return most;
}

int length(const char* text) {
  int count = 0;
  while (text[count]) ++count;
  return count;
}

// Turns the order of the bytes.
void reverse(char* text, int count) {
  for (int i = 0, j = count - 1; i < j; ++i, --j) {
    const char other = text[i];
    text[i] = text[j];
    text[j] = other;
  }
}

unsigned popcount(unsigned x) {
  unsigned count = 0;
  for (; x; x &= x - 1) ++count;
  return count;
}

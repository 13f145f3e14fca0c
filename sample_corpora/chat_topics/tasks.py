"""Small functions to ask for, each with its code and a word on its cost."""

# name, what it should do, code, kind of argument, a word on cost
TASKS = (
    ("gcd", "finds the greatest common divisor of two whole numbers",
     "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a", "two",
     "Few: the remainder at least halves every two steps, so the number of steps grows with "
     "the number of digits."),
    ("is_prime", "tells whether a number is prime",
     "def is_prime(n):\n    if n < 2:\n        return False\n    d = 2\n    while d * d <= "
     "n:\n        if n % d == 0:\n"
     "            return False\n        d += 1\n    return True", "one",
     "About the square root of n, because a divisor above the root has a partner below it."),
    ("digit_sum", "adds up the decimal digits of a number",
     "def digit_sum(n):\n    return sum(int(d) for d in str(n))", "one", "One for every digit."),
    ("collatz_steps", "counts the steps of the Collatz rule down to 1",
     "def collatz_steps(n):\n    steps = 0\n    while n != 1:\n        n = 3 * n + 1 if n % 2 else n // 2\n"
     "        steps += 1\n    return "
     "steps", "one", "Nobody has proved that it always ends, though it has for every n tried."),
    ("fibonacci", "returns the n-th Fibonacci number, with fibonacci(0) = 0",
     "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n   "
     " return a", "small",
     "n additions. The version that calls itself twice takes exponentially many."),
    ("factorial", "computes n factorial without recursion",
     "def factorial(n):\n    result = 1\n    for k in range(2, n + 1):\n        result *= k\n "
     "   return result", "small",
     "n - 1 multiplications, of numbers that grow quickly."),
    ("to_binary", "writes a positive number in binary without using bin()",
     "def to_binary(n):\n    digits = \"\"\n    while n:\n        digits = str(n % 2) + "
     "digits\n        n //= 2\n"
     "    return digits", "one", "One for every binary digit, about log2(n) of them."),
    ("divisors", "lists all divisors of a number in order",
     "def divisors(n):\n    return [d for d in range(1, n + 1) if n % d == 0]", "one",
     "n steps. Going only up to the square root and adding both partners would be faster."),
    ("count_vowels", "counts the vowels in a word",
     "def count_vowels(word):\n    return sum(letter in \"aeiou\" for letter in word.lower())", "word",
     "One for every letter; a True counts as 1 in the sum."),
    ("is_palindrome", "checks whether a word reads the same backwards",
     "def is_palindrome(word):\n    word = word.lower()\n    return word == "
     "word[::-1]", "word", "Proportional to the length."),
    ("letters_once", "removes repeated letters and keeps the first of each",
     "def letters_once(word):\n    return \"\".join(dict.fromkeys(word))", "word",
     "One for every letter, since a dictionary finds a key in constant time on average."),
    ("caesar", "shifts each lowercase letter three places, from z on to a",
     "def caesar(word):\n    return \"\".join(chr((ord(x) - 97 + 3) % 26 + 97) for x in word)", "word",
     "One for every letter."),
    ("run_length", "writes a word as letters followed by how often they repeat",
     "def run_length(word):\n    out, i = \"\", 0\n    while i < len(word):\n        j = i\n"
     "        while j < len(word) and word[j] == word[i]:\n            j += 1\n        out += "
     "word[i] + str(j - i)\n"
     "        i = j\n    return "
     "out", "word", "Each letter is looked at a fixed number of times, so it is linear."),
    ("running_sum", "returns the running totals of a list",
     "def running_sum(numbers):\n    total, sums = 0, []\n    for x in numbers:\n        total += x\n"
     "        sums.append(total)\n    return sums", "list", "One addition for every item."),
    ("second_largest", "finds the second largest of the different numbers in a list",
     "def second_largest(numbers):\n    return sorted(set(numbers))[-2]", "list",
     "n log n because of the sorting; one pass with two variables would be linear."),
    ("median", "returns the middle of a list of odd length",
     "def median(numbers):\n    return sorted(numbers)[len(numbers) // "
     "2]", "list", "n log n, for the sorting."),
    ("largest_gap", "finds the largest gap between neighbours in sorted order",
     "def largest_gap(numbers):\n    ordered = sorted(numbers)\n"
     "    return max(b - a for a, b in zip(ordered, ordered[1:]))", "list", "n log n, for the sorting."),
    ("rotate", "moves the first item of a list to its end",
     "def rotate(numbers):\n    return numbers[1:] + "
     "numbers[:1]", "list", "n, since the items are copied once."),
    ("bubble_sort", "sorts a list by swapping neighbours",
     "def bubble_sort(numbers):\n    a = list(numbers)\n    for end in range(len(a) - 1, 0, -1):\n"
     "        for i in range(end):\n            if a[i] > a[i + 1]:\n                a[i], "
     "a[i + 1] = a[i + 1], a[i]\n"
     "    return a", "list", "Of the order of n squared, so it suits short lists only."),
    ("best_sum", "finds the largest sum of neighbouring items in a list",
     "def best_sum(numbers):\n    best = here = numbers[0]\n    for x in numbers[1:]:\n       "
     " here = max(x, here + x)\n"
     "        best = max(best, here)\n    return best", "list", "One pass. This is Kadane's method."),
)  # fmt: skip

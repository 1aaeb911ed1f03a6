"""Moving averages of a stream of numbers, with constant memory."""

from collections import deque


class MovingAverage:
    """Keep the mean of the last ``size`` numbers."""

    def __init__(self, size):
        if size < 1:
            raise ValueError("a window holds at least one number")
        self.window = deque(maxlen=size)
        self.total = 0.0

    def add(self, number):
        if len(self.window) == self.window.maxlen:
            self.total -= self.window[0]
        self.window.append(number)
        self.total += number
        return self.total / len(self.window)


def smooth(numbers, size):
    average = MovingAverage(size)
    return [average.add(number) for number in numbers]


if __name__ == "__main__":
    print(smooth([3, 1, 4, 1, 5, 9, 2, 6], size=3))

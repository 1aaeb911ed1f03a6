#include <stddef.h>

/* Return the first position in a sorted array whose value is not below the one that is sought.
 * The answer is in [0, length]; it is length where all values are smaller.
 */
size_t find_sorted(const int *values, size_t length, int sought)
{
    size_t low = 0;
    size_t high = length;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (values[middle] < sought)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int contains(const int *values, size_t length, int sought)
{
    size_t at = find_sorted(values, length, sought);

    return at < length && values[at] == sought;
}

"""From what on two pictures show the same: what steps take unless their settings say otherwise."""

NEAR_DUPLICATE, SAME_THING = 0.85, 0.75  # correlations of the details of two aligned pictures from which on they are that
MIN_CLOSE_UP = 0.5  # correlation close up, below which two pictures share an outline or a background, and not what they show
NUM_NEIGHBOURS = 8  # nearest images, by vectors and by thumbnails, that each is compared with
MIN_DETAIL_SHARE = 0.05  # share of two pictures that must have details for them to be compared by these
MIN_SIDE_PX = 32  # smaller pictures carry too little to be told apart

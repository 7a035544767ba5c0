{ config = Config } { #[require(a < 1e999)] struct Net { #[param(self, hidden)] w : Linear } } impl Net { fn forward ( & self , x : Tensor ! [ B , hidden ] ) -> Tensor ! [ B ] { self . w ( x ) } }

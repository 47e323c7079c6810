variable "size" {}
output "x" { value = var.sise }

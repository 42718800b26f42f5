import { IsEmail, IsNotEmpty, IsString } from 'class-validator';

/** The body of `POST /signup`. */
export class SignUp {
  @IsEmail()
  readonly email!: string;

  @IsString()
  @IsNotEmpty()
  readonly name!: string;
}
